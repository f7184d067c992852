export {
  subscriptionsWithSessions,
  type GraphqlWsOptions,
  type SubscriptionSessionOptions,
} from './subscriptions.js';
