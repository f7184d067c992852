import { html, type Html } from '../pages/html.js';

export const PRODUCT_IDS = ['mug', 'bowl', 'vase', 'plate', 'teapot', 'jug'] as const;
export type ProductId = (typeof PRODUCT_IDS)[number];

export interface Product {
  id: ProductId;
  name: string;
  note: string;
  /** In euro cents. */
  price: number;
  art: Html;
}

export const PRODUCTS: readonly Product[] = [
  {
    id: 'mug',
    name: 'Morning mug',
    note: 'Speckled stoneware, 300 ml',
    price: 2400,
    art: html`<path d="M32 36h48v40a16 16 0 0 1-16 16H48a16 16 0 0 1-16-16z" /><path
        class="line"
        d="M80 48h7a13 13 0 0 1 0 26h-7"
      /><path class="glaze" d="M32 36h48v17c-7 6-11-3-17 2s-9 5-15 0-10 3-16-1z" />`,
  },
  {
    id: 'bowl',
    name: 'Wide bowl',
    note: 'For soup, or for keys',
    price: 3200,
    art: html`<path d="M18 46h84c0 24-16 40-30 42v5H48v-5C34 86 18 70 18 46z" /><path
        class="glaze"
        d="M18 46h84c0 5-1 9-2 13-12 5-18-4-28 1s-16 5-24 0-16 3-28-1c-1-4-2-8-2-13z"
      />`,
  },
  {
    id: 'vase',
    name: 'Bud vase',
    note: 'Holds one branch well',
    price: 3800,
    art: html`<path class="line" d="M60 30C60 18 66 12 74 8M60 24c-2-6-6-9-12-10" /><path
        d="M53 28h14v14c0 7 17 14 17 31 0 12-7 21-13 23H49c-6-2-13-11-13-23 0-17 17-24 17-31z"
      /><path class="glaze" d="M53 28h14v14c0 5 9 10 14 19-8 5-13-3-20 1s-14 3-22-1c5-9 14-14 14-19z" />`,
  },
  {
    id: 'plate',
    name: 'Supper plate',
    note: 'Thrown thin, 26 cm',
    price: 2900,
    art: html`<ellipse cx="60" cy="62" rx="46" ry="34" /><ellipse
        class="glaze"
        cx="60"
        cy="60"
        rx="36"
        ry="25"
      /><ellipse class="ring" cx="60" cy="60" rx="23" ry="15" />`,
  },
  {
    id: 'teapot',
    name: 'Teapot for two',
    note: 'Pours without a drip',
    price: 8600,
    art: html`<path class="line" d="M34 50c-16-4-20 26 2 26" /><path
        d="M84 66c8 0 8-18 20-20l-4 12c-4 14-10 20-18 20z"
      /><path d="M32 62a28 24 0 0 1 56 0c0 16-9 28-20 30H52c-11-2-20-14-20-30z" /><path
        class="glaze"
        d="M32 60a28 23 0 0 1 56 0c-8 5-13-3-20 1s-10 4-16 0-11 3-20-1z"
      /><circle class="glaze" cx="60" cy="33" r="5" />`,
  },
  {
    id: 'jug',
    name: 'Water jug',
    note: 'One litre, iron glaze',
    price: 5400,
    art: html`<path class="line" d="M78 42c20-4 22 32 0 34" /><path
        d="M34 22h42v26c0 6 4 12 4 20 0 12-5 20-10 24H46c-6-4-10-12-10-24 0-8 6-14 6-20V34z"
      /><path class="glaze" d="M34 22h42v26c0 4 2 8 3 12-8 4-13-4-19 1s-15 4-23-1c2-4 5-8 5-12V34z" />`,
  },
];

/** The most of one product that a cart holds. */
export const MOST = 9;

export const euro = (cents: number): string =>
  new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' }).format(cents / 100);
