import Bowser from 'bowser';
import type { SessionView } from 'nestjs-session-stores';

/** What a page shows of a session. */
export interface Device {
  id: string;
  isCurrent: boolean;
  /** What its user calls it, or what it is. */
  name: string;
  /** What it is. */
  description: string;
  /** `undefined` if it is not known. */
  network: string | undefined;
  kind: 'phone' | 'computer' | 'program';
  /** Epoch milliseconds. */
  signedInAt: number;
  /** Epoch milliseconds; up to five minutes early. */
  seenAt: number;
}

export function deviceOf(view: SessionView, currentId?: string): Device {
  const { id, data, client, label, createdAt, lastSeenAt } = view;
  const { description, kind } = described(client?.last.userAgent ?? data.userAgent);
  return {
    id,
    isCurrent: id === currentId,
    name: label ?? description,
    description,
    network: client?.last.ip,
    kind,
    signedInAt: createdAt,
    seenAt: lastSeenAt ?? createdAt,
  };
}

function described(userAgent = ''): Pick<Device, 'description' | 'kind'> {
  if (userAgent === '') return { description: 'An unknown device', kind: 'program' };
  const { browser, os, platform } = Bowser.parse(userAgent);
  // What is no browser says its name first: `curl/8.5.0`.
  if (!browser.name)
    return {
      description: userAgent.split(/[\s/]/, 1)[0]!.slice(0, 40) || 'An unknown device',
      kind: 'program',
    };
  return {
    description: os.name ? `${browser.name} on ${os.name}` : browser.name,
    kind: platform.type === 'mobile' || platform.type === 'tablet' ? 'phone' : 'computer',
  };
}
