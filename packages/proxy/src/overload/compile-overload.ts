// The bootstrap's overload manager, compiled.

import { anyIs, anyUnpack } from '@bufbuild/protobuf/wkt';
import { configOverload, downstreamConnectionsMonitor, fixedHeapMonitor } from '@lateen/xds/messages/admin';
import { honours, type Report } from '../runtime/compile/report.ts';
import { durationMs, durationMsOr } from '../runtime/compile/values.ts';
import { PREFIX } from './overload.ts';
import {
  DEFAULT_OVERLOAD,
  OVERLOAD_ACTIONS,
  type OverloadAction,
  type OverloadSettings,
  type OverloadTrigger,
  type ShortestTimeout,
} from './settings.ts';

const check = honours(configOverload.OverloadManagerSchema, ['refreshInterval', 'resourceMonitors', 'actions', 'bufferFactoryConfig']);

/** Reports what is not supported. Without a configuration: `DEFAULT_OVERLOAD`. */
export function compileOverload(message: configOverload.OverloadManager | undefined, report: Report): OverloadSettings {
  if (!message) return DEFAULT_OVERLOAD;
  check(message, report);
  const monitors = compileMonitors(message, report);
  const power = message.bufferFactoryConfig?.minimumAccountToTrackPowerOfTwo;
  const actions = new Map<OverloadAction, readonly OverloadTrigger[]>();
  let connectionIdle: ShortestTimeout | undefined;
  for (const [i, each] of message.actions.entries()) {
    const at = report.at('actions', i);
    const action = OVERLOAD_ACTIONS.find((name) => each.name === `${PREFIX}${name}`);
    if (!action) {
      at.at('name').refuse(`${JSON.stringify(each.name)} is not supported`);
      continue;
    }
    if (actions.has(action)) at.at('name').refuse('the action is configured twice');
    actions.set(
      action,
      each.triggers.flatMap((trigger, t) => compileTrigger(trigger, monitors.names, at.at('triggers', t)) ?? []),
    );
    if (each.triggers.length === 0) at.at('triggers').refuse('must not be empty');
    if (action === 'reduce_timeouts') connectionIdle = compileTimers(each, at);
    else if (each.typedConfig) at.at('typed_config').refuse('is not supported for this action');
  }
  return {
    refreshIntervalMs: durationMsOr(message.refreshInterval, 1000),
    heap: monitors.heap,
    maxDownstreamConnections: monitors.maxDownstreamConnections,
    actions,
    connectionIdle,
    smallestResetBytes: power ? 2 ** power : DEFAULT_OVERLOAD.smallestResetBytes,
  };
}

function compileMonitors(message: configOverload.OverloadManager, report: Report) {
  const names = new Set<string>();
  let heap: OverloadSettings['heap'];
  let { maxDownstreamConnections } = DEFAULT_OVERLOAD;
  message.resourceMonitors.forEach(({ name, configType }, i) => {
    const at = report.at('resource_monitors', i);
    names.add(name);
    const any = configType.value;
    if (any && anyIs(any, fixedHeapMonitor.FixedHeapConfigSchema)) {
      const maxBytes = Number(anyUnpack(any, fixedHeapMonitor.FixedHeapConfigSchema)?.maxHeapSizeBytes ?? 0);
      if (maxBytes <= 0) at.at('typed_config').at('max_heap_size_bytes').refuse('must be positive');
      heap = { name, maxBytes };
    } else if (any && anyIs(any, downstreamConnectionsMonitor.DownstreamConnectionsConfigSchema)) {
      const schema = downstreamConnectionsMonitor.DownstreamConnectionsConfigSchema;
      maxDownstreamConnections = Number(anyUnpack(any, schema)?.maxActiveDownstreamConnections ?? 0);
      if (maxDownstreamConnections <= 0) at.at('typed_config').at('max_active_downstream_connections').refuse('must be positive');
    } else at.at('typed_config').refuse(`${any?.typeUrl || 'a monitor without a type'} is not supported here`);
  });
  return { names, heap, maxDownstreamConnections };
}

function compileTrigger(
  { name, triggerOneof }: configOverload.Trigger,
  names: ReadonlySet<string>,
  report: Report,
): OverloadTrigger | undefined {
  if (!names.has(name)) report.at('name').refuse(`there is no resource monitor ${JSON.stringify(name)}`);
  switch (triggerOneof.case) {
    case 'threshold':
      return { resource: name, scaling: triggerOneof.value.value, saturation: triggerOneof.value.value };
    case 'scaled': {
      const { scalingThreshold: scaling, saturationThreshold: saturation } = triggerOneof.value;
      if (scaling >= saturation) report.at('scaled').refuse('scaling_threshold must be less than saturation_threshold');
      return { resource: name, scaling, saturation };
    }
    case undefined:
      report.refuse('threshold or scaled is required');
      return undefined;
  }
}

const { HTTP_DOWNSTREAM_CONNECTION_IDLE } = configOverload.ScaleTimersOverloadActionConfig_TimerType;

function compileTimers({ typedConfig }: configOverload.OverloadAction, report: Report): ShortestTimeout | undefined {
  const at = report.at('typed_config');
  const config = typedConfig && anyUnpack(typedConfig, configOverload.ScaleTimersOverloadActionConfigSchema);
  if (!config) {
    at.refuse('must be a ScaleTimersOverloadActionConfig');
    return undefined;
  }
  let connectionIdle: ShortestTimeout | undefined;
  for (const [i, { timer, overloadAdjust }] of config.timerScaleFactors.entries()) {
    const here = at.at('timer_scale_factors', i);
    if (timer !== HTTP_DOWNSTREAM_CONNECTION_IDLE) here.at('timer').refuse('only HTTP_DOWNSTREAM_CONNECTION_IDLE is supported');
    else if (overloadAdjust.case === 'minTimeout') connectionIdle = { kind: 'ms', ms: durationMs(overloadAdjust.value) };
    else if (overloadAdjust.case === 'minScale') connectionIdle = { kind: 'share', share: overloadAdjust.value.value / 100 };
    else here.refuse('min_timeout or min_scale is required');
  }
  return connectionIdle;
}
