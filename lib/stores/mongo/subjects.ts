/** What an examination of MongoDB is about. */
export const SUBJECTS = {
  connection: 'MongoDB connection',
  version: 'MongoDB version',
  topology: 'MongoDB topology',
  clock: 'MongoDB clock',
  rights: 'MongoDB rights',
  feed: 'MongoDB feed',
  collection: 'MongoDB collection',
  indexes: 'MongoDB indexes',
  foreignIndexes: 'MongoDB indexes of other programs',
  foreignDocuments: 'MongoDB documents of other programs',
} as const;
