// Clients waiting for a push: each at most once, however many pushes were asked for meanwhile, first come first served.

export type PushQueue<Client> = {
  /** Asks for a push; merged with one that is still waiting. */
  enqueue(client: Client): void;
  remove(client: Client): void;
  readonly size: number;
};

export type PushQueueOptions<Client> = {
  /** Pushes to one client; a promise delays only this client's next push. */
  push: (client: Client) => void | Promise<void>;
  /** Runs `run` soon, letting I/O go first. Default: setImmediate. */
  schedule?: (run: () => void) => void;
};

export function createPushQueue<Client>({ push, schedule = (run) => void setImmediate(run) }: PushQueueOptions<Client>): PushQueue<Client> {
  const waiting = new Set<Client>();
  const busy = new Set<Client>();
  const again = new Set<Client>();
  let isScheduled = false;

  const next = (): void => {
    isScheduled = false;
    const client = waiting.values().next();
    if (client.done) return;
    waiting.delete(client.value);
    const done = push(client.value);
    if (done) {
      busy.add(client.value);
      void done.finally(() => {
        busy.delete(client.value);
        if (again.delete(client.value)) enqueue(client.value);
      });
    }
    kick();
  };
  const kick = (): void => {
    if (isScheduled || waiting.size === 0) return;
    isScheduled = true;
    schedule(next);
  };
  const enqueue = (client: Client): void => {
    if (busy.has(client)) again.add(client);
    else waiting.add(client);
    kick();
  };
  return {
    enqueue,
    remove(client) {
      waiting.delete(client);
      again.delete(client);
    },
    get size() {
      return waiting.size + busy.size;
    },
  };
}
