import { once } from 'node:events';
import type { Connection, ConnectOptions } from 'mongoose';
import { Deadlines, type Deadline } from '../../contract/deadline.js';
import { SessionStoreError, NotOpenError } from '../../contract/errors.js';
import { loadDriver } from '../shared/driver.js';
import { LogicalSession } from './logical-session.js';

/** Where the database is: `connection`, `uri`, or neither for mongoose's default connection. */
export interface MongoConnectionOptions {
  /** A mongoose connection of yours, such as the one that @nestjs/mongoose injects. Never closed. */
  connection?: Connection | undefined;
  /** `mongodb://` or `mongodb+srv://`. The store connects in `open` and disconnects in `close`. */
  uri?: string | undefined;
  /** mongoose's options for the connection to `uri`. */
  options?: ConnectOptions | undefined;
}

/** The response to a command of MongoDB. */
export type Response = Record<string, unknown>;

/** Sends a command to the primary. Canceled after the deadline of its call. */
export type Send = (command: Record<string, unknown>) => Promise<Response>;

/** How long `close` waits for the server to close cursors, in milliseconds. */
const PARTING = 250;

/**
 * The connection of one store. It sends plain commands. mongoose's collections queue calls while there is no server,
 * and the driver's collections send writes again after a failover: both could let a write act after its call has
 * failed.
 */
export class MongoConnection {
  private connection: Connection | undefined;
  /** Controllers that no call has aborted, for reuse: to make one costs more than everything a call does with it. */
  private readonly unused: AbortController[] = [];
  private readonly closing: Deadlines;
  private readonly parting = new Deadlines(PARTING);
  private readonly sessions = new Set<LogicalSession>();

  constructor(
    private readonly options: MongoConnectionOptions,
    private readonly timeout: number,
  ) {
    checkOptions(options);
    this.closing = new Deadlines(timeout);
  }

  /** The hosts and ports of the servers, for error messages. */
  get address(): string {
    const { uri } = this.options;
    if (uri !== undefined) return uri.replace(/^[^/]*\/\/(?:[^/]*@)?([^/?]*).*$/s, '$1');
    const { host, port } = this.connection ?? {};
    return host === undefined ? 'the default connection of mongoose' : `${host}:${port}`;
  }

  /** The name of the database. Call `open` first. */
  get database(): string {
    return this.databaseFor('examine').databaseName;
  }

  /** Opens our own connection, or waits for the given one. */
  async open(): Promise<void> {
    const { connection, uri } = this.options;
    const { default: mongoose } = await loadDriver('mongo', 'mongoose', () => import('mongoose'));
    this.connection = uri === undefined ? (connection ?? mongoose.connection) : this.make(mongoose, uri);
    const isOpening = this.connection.readyState === mongoose.ConnectionStates.connecting;
    if (isOpening || uri !== undefined) await this.connection.asPromise();
    // A connection of `useDb` opens after the one that it comes from, and its promise does not wait for that.
    if (isOpening && !this.connection.db) await once(this.connection, 'open');
    this.databaseFor('open');
  }

  /** Throws if the response to `hello` shows a server on which the store could not keep its guarantees. */
  checkServer({ msg, hosts }: Response): void {
    const reject = (problem: string): never => {
      throw new SessionStoreError('mongo', 'open', problem);
    };
    if (msg === 'isdbgrid') {
      reject(
        'the server is a mongos, whose clock differs from that of the shards. Connect to a replica set or a standalone server',
      );
    }
    // With a direct connection the driver reads from any server, even a secondary.
    if (this.connection?.getClient().options.directConnection && (hosts as string[] | undefined)?.[1]) {
      reject(
        'a direct connection would read from a secondary after a failover. Connect with `replicaSet` and without `directConnection`',
      );
    }
  }

  /** Closes our own connection. Does not wait for a server that is unreachable. */
  async close(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (this.options.uri === undefined || !connection) return;
    // The server would keep the cursors of a connection that has gone, for ten minutes by default.
    await atMost(this.parting, () => Promise.all([...this.sessions].map(({ ended }) => ended)));
    await atMost(this.closing, () => connection.destroy(true));
  }

  /** Runs the commands of one call. Cancels them after its deadline. */
  async call<T>(operation: string, deadline: Deadline, work: (send: Send) => Promise<T>): Promise<T> {
    const database = this.databaseFor(operation);
    const call = this.unused.pop() ?? new AbortController();
    deadline.whenOver = () => call.abort();
    const send: Send = async (command) =>
      acknowledged(
        await database.command(
          // The rest of the call's time. 0 would mean no limit.
          { ...command, maxTimeMS: Math.max(1, Math.ceil(deadline.left)) },
          { readPreference: 'primary', signal: call.signal },
        ),
      );
    try {
      return await work(send);
    } finally {
      deadline.whenOver = undefined;
      if (!call.signal.aborted) this.unused.push(call);
    }
  }

  /** Sends a command without a deadline. */
  async sendPatiently(operation: string, command: Record<string, unknown>): Promise<void> {
    acknowledged(await this.databaseFor(operation).command(command, { readPreference: 'primary' }));
  }

  /** Begins a session of the server. */
  session(operation: string): LogicalSession {
    const database = this.databaseFor(operation);
    // Without a connection there is no database.
    const session = new LogicalSession(this.connection!.getClient(), database);
    this.sessions.add(session);
    void session.ended.then(() => this.sessions.delete(session));
    return session;
  }

  private databaseFor(operation: string): NonNullable<Connection['db']> {
    if (!this.connection) {
      throw new NotOpenError('mongo', operation);
    }
    const { db } = this.connection;
    if (db) return db;
    const problem =
      this.options.connection === undefined
        ? "mongoose's default connection is not open. Call mongoose.connect() first, or set the store's option `connection` or `uri`"
        : 'the connection is not open. Call its openUri() first';
    throw new SessionStoreError('mongo', operation, problem);
  }

  private make(mongoose: typeof import('mongoose'), uri: string): Connection {
    // The driver rejects it together with `primary`.
    const { maxStalenessSeconds: _, ...options } = this.options.options ?? {};
    return mongoose.createConnection(uri.replace(/(?<=[?&])maxStalenessSeconds=[^&]*&?/gi, ''), {
      // Before our own deadline, because the driver's error says what it has tried.
      serverSelectionTimeoutMS: Math.ceil(this.timeout * 0.9),
      // Closing does not end an attempt to connect. A server that does not respond would keep the process for 30
      // seconds.
      connectTimeoutMS: this.timeout,
      ...options,
      // Sessions are read from the primary, whatever `uri` says.
      readPreference: 'primary',
    });
  }
}

/** Waits for work, but not beyond a deadline. Resolves even if it fails. */
async function atMost(deadlines: Deadlines, work: () => Promise<unknown>): Promise<void> {
  await Promise.allSettled([deadlines.run(work, () => new Error('not done in time'))]);
}

/** The response to a command. Throws for a failed write, or one that a majority has not acknowledged. */
function acknowledged(response: Response): Response {
  const { writeErrors, writeConcernError } = response as {
    writeErrors?: Response[];
    writeConcernError?: Response;
  };
  const [failure = writeConcernError] = writeErrors ?? [];
  if (!failure) return response;
  throw Object.assign(new Error(String(failure['errmsg'])), {
    code: failure['code'],
    codeName: failure['codeName'],
  });
}

function checkOptions({ connection, uri, options }: MongoConnectionOptions): void {
  if (connection !== undefined && uri !== undefined) {
    throw new TypeError('MongoStore needs one of `connection` and `uri`, or neither: leave one of them out');
  }
  if (uri !== undefined && typeof uri !== 'string')
    throw new TypeError('uri must be a string: write mongodb://host/database');
  if (options !== undefined && uri === undefined) {
    throw new TypeError('options must not be set without `uri`: write `uri`, or leave them out');
  }
  if (connection !== undefined && typeof connection?.asPromise !== 'function') {
    throw new TypeError(
      'connection must be a Connection of mongoose: write mongoose.connection, not mongoose and not a MongoClient',
    );
  }
}
