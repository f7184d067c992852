// Requests without sockets: Node's own request and response objects, on a stream that keeps what is written.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';

/** A connection without a network. Has the parts of a socket that Node's HTTP server and frameworks use. */
class Connection extends Duplex {
  remoteAddress = '127.0.0.1';
  text = '';

  _read() {}

  _write(chunk, _encoding, callback) {
    this.text += chunk.toString('latin1');
    callback();
  }

  _writev(chunks, callback) {
    for (const { chunk } of chunks) this.text += chunk.toString('latin1');
    callback();
  }

  setTimeout() {
    return this;
  }
}

/** A client of an HTTP server: keeps its connection and its cookie, and sends one request at a time. */
export class Client {
  #connection = new Connection();
  #cookie = '';

  constructor(server) {
    this.server = server;
  }

  /** Sends a GET request. Resolves once the response is complete and closed, as Node does it. */
  get(path) {
    const connection = this.#connection;
    const req = new IncomingMessage(connection);
    req.method = 'GET';
    req.url = path;
    req.httpVersion = '1.1';
    req.httpVersionMajor = req.httpVersionMinor = 1;
    req.headers = { host: 'localhost', accept: '*/*', cookie: this.#cookie };
    req.complete = true;
    req.push(null);
    const res = new ServerResponse(req);
    res.assignSocket(connection);
    return new Promise((resolve, reject) => {
      res.on('finish', () => {
        res.detachSocket(connection);
        res.emit('close');
        const { text } = connection;
        connection.text = '';
        if (!text.startsWith('HTTP/1.1 200') || !text.endsWith('\r\n\r\n{"user":"ann"}'))
          return reject(new Error(`GET ${path}: ${text}`));
        this.#keepCookie(text);
        resolve();
      });
      this.server.emit('request', req, res);
    });
  }

  #keepCookie(text) {
    const [, cookie] = /\r\nset-cookie: ([^;]+)/i.exec(text) ?? [];
    this.#cookie = cookie ?? this.#cookie;
  }
}
