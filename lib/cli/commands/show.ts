import type { SessionClient } from '../../session/seen.js';
import type { Context } from '../command.js';
import { EXIT } from '../exit.js';
import { shown, timeOf, type ShownSession } from '../sessions.js';
import { printable } from '../text.js';
import { lookUp } from './look-up.js';

/** Prints one live session; its values only `withData`. */
export async function show(context: Context, name: string, withData: boolean): Promise<number> {
  const { store, output } = context;
  const record = await lookUp(context, name);
  if (!record) return EXIT.negative;
  const session = shown(store, record, withData);
  if (output.isForPeople) {
    await output.lines(linesOf(session).map(([title, text]) => `${output.styled('bold', title)}${text}`));
  } else await output.json(session);
  return EXIT.done;
}

function linesOf({ id, createdAt, lastSeenAt, expiresAt, ...session }: ShownSession): [string, string][] {
  const { groups, label, client, properties, bytes, data } = session;
  const hidden = data || properties === 0 ? '' : '; --data shows them';
  const rows: [string, string | undefined][] = [
    ['id', id],
    ['created', createdAt === undefined ? undefined : timeOf(createdAt)],
    ['last seen', lastSeenAt === undefined ? undefined : timeOf(lastSeenAt)],
    ['expires', timeOf(expiresAt)],
    ['groups', groups.length === 0 ? undefined : groups.join(', ')],
    ['label', label],
    ['client', client && clientText(client.first)],
    ['last client', client && clientText(client.last)],
    ['data', `${properties} ${properties === 1 ? 'property' : 'properties'}, ${bytes} bytes${hidden}`],
  ];
  const lines = rows.filter((row): row is [string, string] => row[1] !== undefined);
  const values = Object.entries(data ?? {}).map(([name, value]): [string, string] => [
    '',
    `  ${printable(name)}: ${printable(JSON.stringify(value))}`,
  ]);
  return [...lines.map(([title, text]): [string, string] => [title.padEnd(13), printable(text)]), ...values];
}

function clientText({ ip, userAgent }: SessionClient): string {
  return [ip, userAgent].filter((part) => part !== undefined).join(', ') || '-';
}
