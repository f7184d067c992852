import { csrfField } from '../pages/csrf.js';
import { html, type Html } from '../pages/html.js';
import type { Page } from '../pages/page.js';
import { GREETINGS, knownLanguage } from './greetings.js';
import type { Cart, CartLine } from './cart.js';
import { MOST, PRODUCTS, euro, type Product } from './products.js';

export function shopPage(cart: Cart, preferred: string | undefined): Page {
  const language = knownLanguage(preferred);
  return {
    title: 'Shop',
    scripts: ['forms', 'live'],
    events: '/events',
    main: ({ user, csrf }) =>
      html` <header class="intro">
          <h1><span lang="${language}">${GREETINGS[language]!.hello}</span>, <bdi>${user}</bdi></h1>
          <p class="lead">Six things for the table, thrown and fired by hand.</p>
        </header>
        <div class="shop">
          <section aria-labelledby="goods">
            <h2 id="goods" class="hidden">Goods</h2>
            <ul class="goods">
              ${PRODUCTS.map((product) => card(product, cart.quantityOf(product), csrf))}
            </ul>
          </section>
          <section class="card cart" aria-labelledby="cart">
            <h2 id="cart">Your cart</h2>
            ${cart.lines.length === 0 ? emptyCart() : fullCart(cart, csrf)}
          </section>
        </div>`,
  };
}

const art = ({ art: shapes, id }: Product): Html =>
  html`<svg class="art tone-${id}" viewBox="0 0 120 104" aria-hidden="true">${shapes}</svg>`;

const card = (product: Product, quantity: number, csrf: string): Html =>
  html` <li class="good">
    ${art(product)}
    <h3>${product.name}</h3>
    <p class="note">${product.note}</p>
    <div class="buy">
      <span class="price">${euro(product.price)}</span>
      ${
        quantity < MOST
          ? cartForm(
              product,
              quantity + 1,
              csrf,
              html`class="add"`,
              html`Add<span class="hidden"> ${product.name} to the cart</span>`,
            )
          : html`<span class="note">All ${MOST} in your cart</span>`
      }
    </div>
  </li>`;

/** A button that makes the cart hold `quantity` of a product. */
const cartForm = (product: Product, quantity: number, csrf: string, attributes: Html, label: Html): Html =>
  html` <form method="post" action="/shop/cart">
    ${csrfField(csrf)}
    <input type="hidden" name="product" value="${product.id}" />
    <input type="hidden" name="quantity" value="${quantity}" />
    <button ${attributes}>${label}</button>
  </form>`;

const emptyCart = (): Html =>
  html` <div class="empty">
    <svg viewBox="0 0 120 104" aria-hidden="true">
      <path class="line" d="M24 40h72l-8 46H32zM42 40c0-30 36-30 36 0" />
    </svg>
    <p>Nothing in it yet.</p>
    <p class="note">What you add is kept in your session, and shows in every tab.</p>
  </div>`;

const fullCart = (cart: Cart, csrf: string): Html =>
  html` <ul class="lines">
      ${cart.lines.map((line) => lineOf(line, csrf))}
    </ul>
    <p class="total"><span>Total</span> <strong>${euro(cart.total)}</strong></p>
    <form method="post" action="/shop/order">
      ${csrfField(csrf)}
      <button class="primary wide">Place the order</button>
    </form>`;

const lineOf = ({ product, quantity }: CartLine, csrf: string): Html =>
  html` <li>
    <span class="what">${product.name}<span class="note">${euro(product.price * quantity)}</span></span>
    <span class="stepper">
      ${cartForm(product, quantity - 1, csrf, html`class="step" aria-label="One ${product.name} less"`, html`−`)}
      <span class="count" aria-label="${quantity} in the cart" role="img">${quantity}</span>
      ${cartForm(product, Math.min(quantity + 1, MOST), csrf, html`class="step" aria-label="One ${product.name} more" ${quantity === MOST && html`disabled`}`, html`+`)}
    </span>
  </li>`;
