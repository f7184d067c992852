import { fork } from 'node:child_process';
import { messageOf } from '../frame/child.mjs';

/** An app that runs in one process or two, which the bench loads. */
export class App {
  #children;

  /**
   * @param {string} subject a package of packages.mjs
   * @param {{ address?: object, size: number, processes?: 1 | 2, heap?: boolean }} about the address of the server that
   *   it needs, the length of a session, and whether the heap is collected before its size is told
   */
  static async start(subject, { address = {}, size, processes = 1, heap = false }) {
    const isClustered =
      subject === 'strong-cluster-express-store' || (subject === 'ClusterStore' && processes > 1);
    const isFastify = /fastify/i.test(subject);
    const file = isClustered ? 'primary' : isFastify ? 'fastify' : 'server';
    const children = Array.from({ length: isClustered ? 1 : processes }, () =>
      fork(`${import.meta.dirname}/${file}.mjs`, [subject, JSON.stringify(address), String(size)], {
        env: { ...process.env, NODE_ENV: 'production' },
        execArgv: heap ? ['--expose-gc'] : [],
      }),
    );
    const ports = [];
    try {
      for (const child of children) {
        const { port, ports: several = [port] } = await messageOf(child);
        ports.push(...several);
      }
    } catch (error) {
      for (const child of children) child.kill();
      throw error;
    }
    return new App(
      children,
      ports.map((port) => `http://127.0.0.1:${port}`),
    );
  }

  constructor(children, urls) {
    this.#children = children;
    this.urls = urls;
  }

  /**
   * The CPU time of all its processes in µs, and the bytes on the heap of the process that holds the sessions.
   *
   * @returns {Promise<{ cpu: number, heap: number, workerHeap?: number }>}
   */
  async figures() {
    const all = [];
    for (const child of this.#children) {
      child.send('figures');
      const { figures } = await messageOf(child);
      all.push(figures);
    }
    return { ...all[0], cpu: all.reduce((sum, { cpu }) => sum + cpu, 0) };
  }

  stop() {
    for (const child of this.#children) child.kill();
  }
}
