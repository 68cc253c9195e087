import type { MachineReport } from './state-dir.ts';

export type BannerOptions = {
  report: MachineReport;
  /** How to call this program for a subcommand on this very mesh: "./lateen kubeconfig", with --state-dir where it is not the default. */
  command: (subcommand: string) => string;
  demo: 'bookinfo' | 'gophers' | undefined;
  isDetached: boolean;
};

/** The last thing `up` prints: where everything is, and three things to try. */
export function renderBanner({ report, command, demo, isDetached }: BannerOptions): string {
  const gateway = report.gateway ?? '(no address)';
  const rows: [string, string][] = [
    ...(demo === 'bookinfo' ? ([['Bookinfo', `${gateway}/productpage`]] as [string, string][]) : []),
    ...(demo === 'gophers' ? ([['Gophers', `${gateway}/`]] as [string, string][]) : []),
    ...(demo === undefined ? ([['gateway', gateway]] as [string, string][]) : []),
    ['kubectl', `export KUBECONFIG=$(${command('kubeconfig')})`],
    ['network', `${report.network.mode} (${report.network.reason})`],
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)}${value}`);
  const next = nextSteps(command, demo, gateway).map((step, index) => `  ${index + 1}. ${step}`);
  const end = isDetached ? `"${command('down')}" stops it.` : 'Ctrl-C stops everything.';
  return `\nThe mesh is up.\n\n${lines.join('\n')}\n\nTry next:\n${next.join('\n')}\n\n${end}\n`;
}

function nextSteps(command: BannerOptions['command'], demo: BannerOptions['demo'], gateway: string): string[] {
  if (demo === 'bookinfo') {
    return [
      'Reload the page a few times: three versions of reviews take turns (no stars, black stars, red stars).',
      'Pin reviews to v1: kubectl apply -f samples/bookinfo/networking/destination-rule-all.yaml -f samples/bookinfo/networking/virtual-service-all-v1.yaml',
      'Send only jason to v2, then sign in as jason: kubectl apply -f samples/bookinfo/networking/virtual-service-reviews-test-v2.yaml',
    ];
  }
  if (demo === 'gophers') {
    return [
      `Ask a few times, three pods take turns: curl ${gateway}`,
      'Mirror to v2: kubectl apply -f samples/gophers/gopher-distributor-v2/deployment.yaml -f samples/gophers/networking/mirror.yaml',
      'Split 50/50: kubectl apply -f samples/gophers/networking/split-50-50.yaml',
    ];
  }
  return [
    `Run the Bookinfo demo: ${command('demo bookinfo')}`,
    'Or follow a tutorial: kubectl label namespace default istio-injection=enabled',
    'See which proxies are connected: ./lateen proxy-status',
  ];
}

/** The `command` of a banner: this program, with the state folder where commands would not find it by themselves. */
export function commandFor(programName: string, stateDir: string, defaultStateDir: string): BannerOptions['command'] {
  const suffix = stateDir === defaultStateDir ? '' : ` --state-dir ${shellWord(stateDir)}`;
  return (subcommand) => `./${programName} ${subcommand}${suffix}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
