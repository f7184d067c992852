import 'nestjs-session-stores';

declare module 'nestjs-session-stores' {
  interface SessionData {
    user: string;
    userAgent: string;
    visits: number;
    theme: string;
    language: string;
  }
}

/** The group of all sessions of a user. */
export const groupOf = (user: string): string => `user:${user}`;
