// The client side of xDS: subscriptions as pure state machines, and ADS over gRPC.

export { type AdsClient, type AdsClientOptions, type AdsResourceType, type AdsTypeStatus, createAdsClient } from './ads-client.ts';
export {
  createDeltaSubscription,
  createSotwSubscription,
  type DeltaRequest,
  type ResourceUpdate,
  type SotwRequest,
  type Subscription,
  type SubscriptionOptions,
  type Wanted,
} from './subscription.ts';
