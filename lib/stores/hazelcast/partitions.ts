/** For how long queries may miss sessions after the last sign that partitions moved, in milliseconds. */
const MOVING = 10_000;

/**
 * Whether partitions of the cluster move. While they do, a query that uses an index may miss sessions: a member checks
 * that nothing has moved before it filters expired entries out of what the index found, and takes an entry of a
 * partition that has left it meanwhile for expired (`QueryRunner` and `MapContainerImpl.hasNotExpired` of Hazelcast
 * 5.6).
 */
export class Partitions {
  private movedAt = -Infinity;
  private owners: string | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A member has joined or left. */
  membersChanged(): void {
    this.movedAt = this.now();
  }

  /**
   * Whether nothing has moved for a while.
   *
   * @param members those that may own partitions
   * @param owners the owner of each partition, as this client knows it; `undefined` for one that has none
   */
  areSettled(members: string[], owners: (string | undefined)[]): boolean {
    const known = owners.join();
    if (this.owners !== undefined && this.owners !== known) this.movedAt = this.now();
    this.owners = known;
    // A member that has joined owns nothing until the first partition has moved there.
    const haveAll = owners.every((owner) => owner !== undefined && members.includes(owner));
    const allHave = members.every((member) => owners.includes(member));
    return haveAll && (allHave || members.length > owners.length) && this.now() - this.movedAt >= MOVING;
  }
}
