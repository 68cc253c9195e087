export { createStore, type StoreOptions } from './create-store.ts';
export { createSqliteJournal, type SqliteJournalOptions } from './sqlite-journal.ts';
export type { Journal, Store, StoreEvent, StoreKey, StoreScope, WriteResult } from './store.ts';
