import { request, type IncomingHttpHeaders } from 'node:http';

/** A complete response. */
export interface ReceivedResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** The `Set-Cookie` headers, unparsed. */
  setCookies: string[];
  text: string;
  /** Parses the body as JSON. Throws if it is not JSON. */
  json<T = Record<string, unknown>>(): T;
}

export interface Send {
  body?: unknown;
  headers?: Record<string, string>;
}

/** A client with its own cookie jar. Each request uses a new connection. */
export class Browser {
  readonly cookies = new Map<string, string>();

  constructor(
    readonly url: string,
    readonly userAgent = 'test',
  ) {}

  get(path: string, send?: Send): Promise<ReceivedResponse> {
    return this.send('GET', path, send);
  }

  post(path: string, body?: unknown): Promise<ReceivedResponse> {
    return this.send('POST', path, { body });
  }

  put(path: string, body?: unknown): Promise<ReceivedResponse> {
    return this.send('PUT', path, { body });
  }

  delete(path: string): Promise<ReceivedResponse> {
    return this.send('DELETE', path);
  }

  send(method: string, path: string, { body, headers = {} }: Send = {}): Promise<ReceivedResponse> {
    const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const all = {
      'user-agent': this.userAgent,
      ...(cookie && { cookie }),
      ...(payload !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(payload)),
      }),
      ...headers,
    };
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.url}${path}`, { method, headers: all, agent: false }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const setCookies = res.headers['set-cookie'] ?? [];
          for (const line of setCookies) this.#keep(line);
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: res.statusCode!,
            headers: res.headers,
            setCookies,
            text,
            json: <T>() => JSON.parse(text) as T,
          });
        });
      });
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  /** Returns another browser with a copy of the cookies. */
  clone(): Browser {
    const clone = new Browser(this.url, this.userAgent);
    for (const [name, value] of this.cookies) clone.cookies.set(name, value);
    return clone;
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
    const name = pair.slice(0, pair.indexOf('='));
    const expires = attributes.find((attribute) => /^expires=/i.test(attribute))?.slice('expires='.length);
    if (expires !== undefined && Date.parse(expires) <= Date.now()) this.cookies.delete(name);
    else this.cookies.set(name, pair.slice(pair.indexOf('=') + 1));
  }
}
