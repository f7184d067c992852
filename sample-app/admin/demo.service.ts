import { Injectable } from '@nestjs/common';
import { SessionService } from 'nestjs-session-stores';
import { DEMO, groupOf } from '../session-data.js';

const NAMES =
  'ada alan barbara claude donald edsger emmy frances grace hedy john katherine margaret niklaus radia tim'.split(
    ' ',
  );

const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
];

/** How many sessions are created in parallel. */
const AT_ONCE = 50;

/** Creates sessions of made-up visitors. */
@Injectable()
export class DemoService {
  constructor(private readonly sessions: SessionService) {}

  async create(count: number): Promise<void> {
    for (let made = 0; made < count; made += AT_ONCE) {
      const some = Math.min(AT_ONCE, count - made);
      await Promise.all(Array.from({ length: some }, () => this.createOne()));
    }
  }

  private async createOne(): Promise<void> {
    // Some names are more common than others. None is one that a visitor would choose, whose sign-in would end all but a
    // few of the sessions of that name.
    const user = `visitor ${oneOf(NAMES.slice(0, 1 + Math.floor(Math.random() * NAMES.length)))}`;
    await this.sessions.create({ user, userAgent: oneOf(AGENTS) }, { groups: [groupOf(user), DEMO] });
  }
}

function oneOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}
