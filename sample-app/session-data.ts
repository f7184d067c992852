import 'nestjs-session-stores';
import type { ProductId } from './shop/products.js';

/**
 * How many of a product are in the cart. Each product is a property of its own, so that two tabs which add different
 * products at the same time are both kept.
 */
type CartData = Record<`cart:${ProductId}`, number>;

declare module 'nestjs-session-stores' {
  interface SessionData extends CartData {
    user: string;
    /** Of the made-up visitors of the admin's page, who have no client. */
    userAgent: string;
    visits: number;
    theme: string;
    language: string;
    /** Whether the admin's password was entered in this session. */
    admin: boolean;
    /** The devices that its sign-in signed out to make room, until a page has said so. */
    signedOut: string;
    csrfToken: string;
  }
}

/** The group of all sessions of a user. */
export const groupOf = (user: string): string => `user:${user}`;

/** The group of the sessions that may use the admin's pages. */
export const ADMINS = 'admins';

/** The group of the sessions that the admin's page created. */
export const DEMO = 'demo';
