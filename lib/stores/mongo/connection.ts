import mongoose, { type Connection, type ConnectOptions } from 'mongoose';
import { Deadlines, type Deadline } from '../../contract/deadline.js';
import { SessionStoreError, notOpen } from '../../contract/errors.js';

/** Where the sessions' database is: `connection`, `uri`, or neither for mongoose's default connection. */
export interface MongoConnectionOptions {
  /** A mongoose connection of yours, such as `getConnectionToken()` of @nestjs/mongoose injects; never closed. */
  connection?: Connection | undefined;
  /** `mongodb://` or `mongodb+srv://`; the store connects in `open` and disconnects in `close`. */
  uri?: string | undefined;
  /** mongoose's options for the connection to `uri`. */
  options?: ConnectOptions | undefined;
}

/** What a command of MongoDB answers. */
export type Answer = Record<string, unknown>;

/** Sends a command to the primary, unless the call it is part of was given up. */
export type Send = (command: Record<string, unknown>) => Promise<Answer>;

/**
 * The connection of one store. It sends plain commands: mongoose's collections hold calls back while there is no
 * server, and the driver's send writes again after a failover, both of which could let one act after its caller was
 * told that it failed.
 */
export class MongoConnection {
  private connection: Connection | undefined;
  /** What calls had to be given up by and were not: making one costs more than all that a call does with it. */
  private readonly unused: AbortController[] = [];
  private readonly closing: Deadlines;

  constructor(
    private readonly options: MongoConnectionOptions,
    private readonly timeout: number,
  ) {
    checkOptions(options);
    this.closing = new Deadlines(timeout);
  }

  /** Connects what is ours, and waits for what was handed in. */
  async open(): Promise<void> {
    const { connection = mongoose.connection, uri } = this.options;
    this.connection = uri === undefined ? connection : this.make(uri);
    const isOpening = this.connection.readyState === mongoose.ConnectionStates.connecting;
    if (isOpening || uri !== undefined) await this.connection.asPromise();
    this.databaseFor('open');
  }

  /** Throws on a server, by its answer to `hello`, where the store could not keep its word. */
  checkServer({ msg, hosts }: Answer): void {
    const refuse = (problem: string): never => {
      throw new SessionStoreError('mongo', 'open', problem);
    };
    if (msg === 'isdbgrid') {
      refuse(
        'this is a mongos, whose clock is not that of the shard that writes: connect to a replica set or a server that stands alone',
      );
    }
    // The driver reads from whatever a direct connection leads to, a secondary included.
    if (this.connection?.getClient().options.directConnection && (hosts as string[] | undefined)?.[1]) {
      refuse(
        'a direct connection would read from a secondary after a failover: connect with `replicaSet` and without `directConnection`',
      );
    }
  }

  /** Disconnects what is ours. A server that is unreachable is not waited for. */
  async close(): Promise<void> {
    const { connection } = this;
    this.connection = undefined;
    if (this.options.uri === undefined || !connection) return;
    const isLate = new Error('not closed in time');
    await Promise.resolve(
      this.closing.run(
        () => connection.destroy(true),
        () => isLate,
      ),
    ).catch(() => {});
  }

  /** Does the work of one operation, in one command or more. Once its time is over, what is under way is canceled. */
  async call<T>(operation: string, deadline: Deadline, work: (send: Send) => Promise<T>): Promise<T> {
    const database = this.databaseFor(operation);
    const call = this.unused.pop() ?? new AbortController();
    deadline.whenOver = () => call.abort();
    const send: Send = async (command) =>
      acknowledged(
        await database.command(
          // What is left of the call's time; 0 would mean no limit.
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

  /** Sends a command that may take longer than the timeout, and settles as it does. */
  async sendPatiently(operation: string, command: Record<string, unknown>): Promise<void> {
    acknowledged(await this.databaseFor(operation).command(command, { readPreference: 'primary' }));
  }

  private databaseFor(operation: string): NonNullable<Connection['db']> {
    if (!this.connection) {
      throw notOpen('mongo', operation);
    }
    const { db } = this.connection;
    if (db) return db;
    const problem =
      this.options.connection === undefined
        ? "mongoose's default connection is not open: call mongoose.connect() first, or give the store `connection` or `uri`"
        : 'the connection is not open: call its openUri() first';
    throw new SessionStoreError('mongo', operation, problem);
  }

  private make(uri: string): Connection {
    // The driver refuses it beside `primary`.
    const { maxStalenessSeconds: _, ...options } = this.options.options ?? {};
    return mongoose.createConnection(uri.replace(/(?<=[?&])maxStalenessSeconds=[^&]*&?/gi, ''), {
      // Before our own deadline, because the driver can say what it tried.
      serverSelectionTimeoutMS: Math.ceil(this.timeout * 0.9),
      // Closing does not end an attempt to connect: on a server that is mute it would keep the process for half a minute.
      connectTimeoutMS: this.timeout,
      ...options,
      // Sessions are read where they are written, whatever `uri` says.
      readPreference: 'primary',
    });
  }
}

/** The answer to a command that a majority of the replica set has carried out. */
function acknowledged(answer: Answer): Answer {
  const { writeErrors, writeConcernError } = answer as { writeErrors?: Answer[]; writeConcernError?: Answer };
  const [refused = writeConcernError] = writeErrors ?? [];
  if (!refused) return answer;
  throw Object.assign(new Error(String(refused['errmsg'])), {
    code: refused['code'],
    codeName: refused['codeName'],
  });
}

function checkOptions({ connection, uri, options }: MongoConnectionOptions): void {
  if (connection !== undefined && uri !== undefined) {
    throw new TypeError('MongoStore needs one of `connection` and `uri`, or neither: both are set');
  }
  if (uri !== undefined && typeof uri !== 'string') throw new TypeError('uri must be a string');
  if (options !== undefined && uri === undefined) {
    throw new TypeError('options are for the connection to `uri`, which is not set');
  }
  if (connection !== undefined && typeof connection?.asPromise !== 'function') {
    throw new TypeError(
      'connection must be a Connection of mongoose, not a MongoClient and not mongoose itself',
    );
  }
}
