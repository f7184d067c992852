/**
 * Members in the order in which they were added. Positions grow and never change, so that a reader can go on from a
 * position whatever was added or removed meanwhile. Adding costs O(1), removing O(log n), and reading `limit` members
 * O(limit + log n), each amortized.
 */
export class Ledger<T extends object> {
  private positions: number[] = [];
  /** A member, or the next index to read if it was removed. */
  private members: (T | number)[] = [];
  private gone = 0;

  /** How many members there are. */
  get size(): number {
    return this.members.length - this.gone;
  }

  /** Adds a member at `position`, which must be greater than every position before. */
  add(member: T, position: number): void {
    if (this.members.length === 0) {
      // Most groups have one member, and a first `push` reserves memory for seventeen.
      this.positions = [position];
      this.members = [member];
      return;
    }
    this.positions.push(position);
    this.members.push(member);
  }

  /** Removes the member at `position`. */
  remove(position: number): void {
    const index = this.indexAfter(position - 1);
    this.members[index] = index + 1;
    this.gone++;
    if (this.gone > 16 && this.gone > this.size) this.compact();
  }

  /** Up to `limit` members after `position`, with their positions. */
  after(position: number, limit: number): { member: T; position: number }[] {
    const found: { member: T; position: number }[] = [];
    for (let index = this.indexAfter(position); found.length < limit; index++) {
      index = this.indexOfNext(index);
      const member = this.members[index];
      if (member === undefined) break;
      found.push({ member: member as T, position: this.positions[index] as number });
    }
    return found;
  }

  /** The first index whose position is greater than `position`; the length if there is none. */
  private indexAfter(position: number): number {
    let low = 0;
    let high = this.positions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.positions[middle] as number) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The index of the first member from `index` on. Shortens the way over removed members for later reads. */
  private indexOfNext(index: number): number {
    let next = index;
    for (let at = this.members[next]; typeof at === 'number'; at = this.members[next]) next = at;
    for (let at = index; at < next;) {
      const on = this.members[at] as number;
      this.members[at] = next;
      at = on;
    }
    return next;
  }

  private compact(): void {
    let kept = 0;
    for (let index = 0; index < this.members.length; index++) {
      const member = this.members[index] as T | number;
      if (typeof member === 'number') continue;
      this.members[kept] = member;
      this.positions[kept++] = this.positions[index] as number;
    }
    this.members.length = this.positions.length = kept;
    this.gone = 0;
  }
}
