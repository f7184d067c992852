import { Body, Get, Post, Redirect } from '@nestjs/common';
import { Session } from 'nestjs-session-stores';
import { LoggedInGuard } from '../auth/logged-in.guard.js';
import { withNotice } from '../pages/notices.js';
import { PageController } from '../pages/page.controller.js';
import { CartLineDto } from './cart-line.dto.js';
import { Cart } from './cart.js';
import { shopPage } from './shop.page.js';

@PageController('shop', LoggedInGuard)
export class ShopController {
  @Get()
  show(@Session() session: Session) {
    return shopPage(new Cart(session), session.language);
  }

  @Post('cart')
  @Redirect('/shop', 303)
  put(@Body() { product, quantity }: CartLineDto, @Session() session: Session): void {
    new Cart(session).put({ id: product }, quantity);
  }

  @Post('order')
  @Redirect('/shop', 303)
  order(@Session() session: Session) {
    const cart = new Cart(session);
    // A form that is sent twice finds an empty cart.
    if (cart.lines.length === 0) return undefined;
    cart.empty();
    return withNotice('/shop', 'order');
  }
}
