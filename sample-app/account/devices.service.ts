import { Injectable } from '@nestjs/common';
import { SessionService } from 'nestjs-session-stores';
import { groupOf } from '../session-data.js';
import { deviceOf, type Device } from './device.js';

export interface DevicesPage {
  devices: Device[];
  /** How many there are on all pages. */
  total: number;
  /** The start of the next page, if there is one. */
  next?: string;
}

/** How many devices a page shows. */
const LIMIT = 20;

@Injectable()
export class DevicesService {
  constructor(private readonly sessions: SessionService) {}

  /** A page of a user's devices. The first one begins with the device that asks. */
  async page(user: string, currentId: string, after?: string): Promise<DevicesPage> {
    const group = groupOf(user);
    const [{ views, next }, total, current] = await Promise.all([
      this.sessions.page({ group, limit: LIMIT, after }),
      this.sessions.count(group),
      after === undefined ? this.sessions.find(currentId) : undefined,
    ]);
    const others = views
      .filter(({ id }) => id !== currentId)
      .map((view) => deviceOf(view))
      .toSorted((a, b) => b.signedInAt - a.signedInAt || (a.id < b.id ? -1 : 1));
    const devices = current ? [deviceOf(current, currentId), ...others] : others;
    return next === undefined ? { devices, total } : { devices, total, next };
  }
}
