/** What the user should hear about their configuration: data, collected and never thrown. */
export type { Finding } from '@lateen/api';
