// Where objects come from. A source reports changes and says when it has told everything it knew at the start.

import type { Closable } from '@lateen/base';
import type { MeshConfig, ObjectChange } from '@lateen/mesh';

export type ObjectSink = {
  change(changes: readonly ObjectChange[]): void;
  setMeshConfig(mesh: MeshConfig): void;
};

export type ObjectSource = Closable & {
  /** Starts and resolves once the present state is with the sink. */
  start(sink: ObjectSink): Promise<void>;
};
