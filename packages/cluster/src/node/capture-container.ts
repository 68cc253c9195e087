import { CodedError } from '@lateen/base';
import type { BuiltinContainer } from '../contracts.ts';
import { parseCaptureArgs } from './capture-args.ts';

/** The builtin `istio-init`: its arguments (those of istio-iptables) become the capture rules of the pod's network. */
export const captureContainer: BuiltinContainer = async ({ argv, sandbox, write }) => {
  const rules = parseCaptureArgs(argv);
  if (!rules.ok) throw new CodedError({ code: 'LAT3104', what: `traffic cannot be captured: ${rules.error}` });
  await sandbox.capture(rules.value);
  const { outboundPort, inboundPort } = rules.value;
  write(`traffic is captured: outbound to port ${outboundPort}, inbound to port ${inboundPort}\n`);
  return { exitCode: 0 };
};
