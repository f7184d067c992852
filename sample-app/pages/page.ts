import type { Html } from './html.js';
import type { Visitor } from './visitor.js';

/** What a controller of pages returns. `PageInterceptor` puts it into the layout. */
export interface Page {
  title: string;
  main: (visitor: Visitor) => Html;
  /** Scripts of `public/` that the page works with. It works without them too. */
  scripts?: readonly string[];
  /** Where its server-sent events come from, if it has any. */
  events?: string;
}
