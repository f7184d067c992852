import { BadRequestException } from '@nestjs/common';

/** Waits for a page of a list, whose start comes from an address: a store rejects one that is not its own. */
export async function listPageOf<Page>(page: Promise<Page>): Promise<Page> {
  try {
    return await page;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new BadRequestException('The list has no such page.', { cause: error });
  }
}
