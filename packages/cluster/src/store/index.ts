export { createStore, type StoreOptions } from './create-store.ts';
export { createSqliteJournal, type SqliteJournalOptions } from './sqlite-journal.ts';
export type { Journal, Store, StoreEvent, StoreKey, StoreScope, WatchScope, WriteResult } from './store.ts';

import { createStore } from './create-store.ts';
import { createSqliteJournal } from './sqlite-journal.ts';
import type { Store } from './store.ts';

/** A store in one SQLite file, made when missing. */
export const createSqliteStore = (path: string, options: { historySize?: number } = {}): Store =>
  createStore({ journal: createSqliteJournal(path, options), ...options });
