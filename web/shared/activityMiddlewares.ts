// How both pages make Web Chat group, name and hide activities: nothing is dropped but what has nothing to show.
import type { ComponentProps } from 'react';
import type ReactWebChat from 'botframework-webchat';
import type { SeenActivity } from './handoffActivity.js';
import { isPrivate } from './handoffActivity.js';

type WebChatProps = ComponentProps<typeof ReactWebChat>;
export type ActivityMiddleware = NonNullable<Exclude<WebChatProps['activityMiddleware'], unknown[]>>;
export type GroupActivitiesMiddleware = NonNullable<Exclude<WebChatProps['groupActivitiesMiddleware'], unknown[]>>;

/** Events (`handoff.status`, `handoff.cancel`, …) are for programs; without this Web Chat shows "no renderer" for them. */
export const dropEvents: ActivityMiddleware = () => (next) => (card) => {
  const { type } = card.activity as SeenActivity;
  return type === 'event' || type === 'endOfConversation' ? false : next(card);
};

const speakerOf = (activity: SeenActivity): string =>
  `${activity.from?.role ?? ''}/${activity.from?.id ?? ''}/${isPrivate(activity) ? 'private' : ''}`;

/** Web Chat groups by role, and here many people speak in the role "bot": group by who really speaks. */
export const groupBySpeaker: GroupActivitiesMiddleware = () => (next) => (request) => {
  const groups = next(request);
  const sender: (typeof request.activities)[] = [];
  let speaker: string | undefined;
  for (const activity of request.activities) {
    const current = speakerOf(activity);
    const open = sender[sender.length - 1];
    if (open && current === speaker) open.push(activity);
    else sender.push([activity]);
    speaker = current;
  }
  return { ...groups, sender };
};
