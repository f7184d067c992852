import Bowser from 'bowser';
import type { SessionView } from 'nestjs-session-stores';

/** What a page shows of a session. */
export interface Device {
  id: string;
  isCurrent: boolean;
  name: string;
  kind: 'phone' | 'computer' | 'program';
  /** Epoch milliseconds. */
  signedInAt: number;
  /** Epoch milliseconds. */
  activeAt: number;
}

export function deviceOf({ id, data, createdAt }: SessionView, currentId?: string): Device {
  return {
    id,
    isCurrent: id === currentId,
    ...described(data.userAgent),
    signedInAt: createdAt,
    activeAt: data.seenAt ?? createdAt,
  };
}

function described(userAgent = ''): Pick<Device, 'name' | 'kind'> {
  if (userAgent === '') return { name: 'An unknown device', kind: 'program' };
  const { browser, os, platform } = Bowser.parse(userAgent);
  // What is no browser says its name first: `curl/8.5.0`.
  if (!browser.name)
    return { name: userAgent.split(/[\s/]/, 1)[0]!.slice(0, 40) || 'An unknown device', kind: 'program' };
  return {
    name: os.name ? `${browser.name} on ${os.name}` : browser.name,
    kind: platform.type === 'mobile' || platform.type === 'tablet' ? 'phone' : 'computer',
  };
}
