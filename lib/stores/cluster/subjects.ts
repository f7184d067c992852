/** What an examination of a `ClusterStore` is about. */
export const SUBJECTS = {
  restart: 'ClusterStore restart',
  hosts: 'ClusterStore hosts',
} as const;
