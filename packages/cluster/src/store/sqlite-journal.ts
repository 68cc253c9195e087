// The journal in one SQLite file: the current objects, and the last events for watches that span a restart.
//
// WAL with synchronous=NORMAL: a commit is a write() to the log, so it survives the death of this process (kill -9, crash) the
// moment it returns, because the kernel has it. What is not forced to the disk at every commit may be lost when the
// machine itself loses power: then the newest commits go, never the file's consistency. FULL would cost an fsync for each
// of the many status writes, and an embedded cluster's pods do not survive a power cut either.

import { DatabaseSync } from 'node:sqlite';
import type { KubeObject } from '@lateen/kube/types';
import type { Journal, StoreEvent, StoreKey } from './store.ts';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 2000;
  CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, json TEXT NOT NULL, PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS events (revision INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    json TEXT NOT NULL, previous TEXT);
`;
const PRUNE_EVERY = 500;

export type SqliteJournalOptions = {
  /** Events kept; at least the store's `historySize`. Default 2,000. */
  historySize?: number;
};

/** Opens or creates the file. Throws node:sqlite's error when it is no database or cannot be written. */
export function createSqliteJournal(path: string, options: SqliteJournalOptions = {}): Journal {
  const { historySize = 2000 } = options;
  const db = new DatabaseSync(path);
  db.exec(SCHEMA);
  const putObject = db.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)');
  const deleteObject = db.prepare('DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?');
  const putEvent = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)');
  const prune = db.prepare('DELETE FROM events WHERE revision <= ?');
  return {
    load() {
      prune.run(lastRevision(db) - historySize);
      const objects = db.prepare('SELECT * FROM objects').all() as ObjectRow[];
      const events = db.prepare('SELECT * FROM events ORDER BY revision').all() as EventRow[];
      return {
        revision: lastRevision(db),
        objects: objects.map((row) => ({ key: keyOf(row), object: JSON.parse(row.json) as KubeObject })),
        events: events.map(eventOf),
      };
    },
    append(event) {
      const { resource, namespace, name } = event.key;
      const json = JSON.stringify(event.object);
      db.exec('BEGIN IMMEDIATE');
      try {
        if (event.type === 'DELETED') deleteObject.run(resource, namespace, name);
        else putObject.run(resource, namespace, name, json);
        putEvent.run(event.revision, event.type, resource, namespace, name, json, event.previous ? JSON.stringify(event.previous) : null);
        // Never the newest event: it holds the revision counter.
        if (event.revision % PRUNE_EVERY === 0) prune.run(event.revision - historySize);
        db.exec('COMMIT');
      } catch (error) {
        db.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => db.close(),
  };
}

type ObjectRow = StoreKey & { json: string };
type EventRow = ObjectRow & { revision: number; type: StoreEvent['type']; previous: string | null };

const keyOf = ({ resource, namespace, name }: StoreKey): StoreKey => ({ resource, namespace, name });

const eventOf = (row: EventRow): StoreEvent => ({
  type: row.type,
  revision: row.revision,
  key: keyOf(row),
  object: JSON.parse(row.json) as KubeObject,
  previous: row.previous === null ? undefined : (JSON.parse(row.previous) as KubeObject),
});

function lastRevision(db: DatabaseSync): number {
  const row = db.prepare('SELECT max(revision) AS revision FROM events').get() as { revision: number | null } | undefined;
  return row?.revision ?? 0;
}
