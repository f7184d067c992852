import type { SessionObject } from 'nestjs-session-stores';
import { PRODUCTS, type Product } from './products.js';

export interface CartLine {
  product: Product;
  quantity: number;
}

/** The cart in a session: a property for each product that is in it. */
export class Cart {
  constructor(private readonly session: SessionObject) {}

  get lines(): CartLine[] {
    return PRODUCTS.map((product) => ({ product, quantity: this.quantityOf(product) })).filter(
      ({ quantity }) => quantity > 0,
    );
  }

  get total(): number {
    return this.lines.reduce((sum, { product, quantity }) => sum + product.price * quantity, 0);
  }

  quantityOf({ id }: Pick<Product, 'id'>): number {
    return this.session[`cart:${id}`] ?? 0;
  }

  put({ id }: Pick<Product, 'id'>, quantity: number): void {
    if (quantity > 0) this.session[`cart:${id}`] = quantity;
    else delete this.session[`cart:${id}`];
  }

  empty(): void {
    for (const { product } of this.lines) this.put(product, 0);
  }
}
