/** Says on stderr what runs, and for how long each bench ran. A terminal shows steps on one line. */
export class Progress {
  #start = performance.now();
  #bench = '';
  #benchStart = 0;
  #out = process.stderr;

  /** @param {number} count the number of benches */
  constructor(count) {
    this.count = count;
  }

  /** @param {number | undefined} expected the seconds that the bench took the last time */
  begin(index, name, expected) {
    this.#bench = `[${index + 1}/${this.count}] ${name}`;
    this.#benchStart = performance.now();
    this.#line(expected === undefined ? this.#bench : `${this.#bench}, ${seconds(expected)} the last time`);
  }

  step(text) {
    const line = `${this.#bench}, ${seconds(this.elapsed)}: ${text}`;
    if (this.#out.isTTY) this.#out.write(`\r\u001B[2K${line.slice(0, (this.#out.columns ?? 80) - 1)}`);
    else this.#line(line);
  }

  end() {
    if (this.#out.isTTY) this.#out.write('\r\u001B[2K');
    this.#line(`${this.#bench} took ${seconds(this.elapsed)}`);
  }

  finish() {
    this.#line(`All took ${seconds((performance.now() - this.#start) / 1000)}.`);
  }

  /** How long the bench has been running, in seconds. */
  get elapsed() {
    return (performance.now() - this.#benchStart) / 1000;
  }

  #line(text) {
    this.#out.write(`${text}\n`);
  }
}

function seconds(value) {
  const whole = Math.round(value);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
