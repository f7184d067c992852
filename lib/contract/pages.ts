import type { SessionPage, SessionPageOptions, SessionRecord } from './record.js';

/** How many sessions a page has by default. */
const PAGE = 100;

/**
 * The live sessions of a group, or of all, page by page. A session may be on two of the pages.
 *
 * @param limit how many sessions a page has at most
 */
export async function* pagesOf(
  store: { page(options: SessionPageOptions): SessionPage | Promise<SessionPage> },
  group: string | undefined,
  limit = PAGE,
): AsyncGenerator<SessionRecord[]> {
  let after: string | undefined;
  do {
    const page = await store.page({ group, after, limit });
    yield page.records;
    after = page.next;
  } while (after !== undefined);
}
