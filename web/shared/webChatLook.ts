// Colours and measures of Web Chat and of Adaptive Cards, light and dark, shared by the customer's and the person's page.
import type { StyleOptions } from 'botframework-webchat';

interface Palette {
  background: string;
  text: string;
  subtle: string;
  bubble: string;
  bubbleBorder: string;
  mine: string;
  line: string;
  field: string;
}

const LIGHT: Palette = {
  background: '#ffffff',
  text: '#242424',
  subtle: '#5c5c5c',
  bubble: '#f3f4f5',
  bubbleBorder: '#f3f4f5',
  mine: '#e3eef0',
  line: '#e0e0e0',
  field: '#ffffff',
};

const DARK: Palette = {
  background: '#1f1f1f',
  text: '#f3f3f3',
  subtle: '#b0b0b0',
  bubble: '#2d2d2d',
  bubbleBorder: '#2d2d2d',
  mine: '#1d3b40',
  line: '#3d3d3d',
  field: '#292929',
};

const FONT = "'Segoe UI', system-ui, -apple-system, 'Helvetica Neue', sans-serif";

export function webChatLook(dark: boolean, accent: string, overrides: Partial<Palette> = {}): StyleOptions {
  const colour = { ...(dark ? DARK : LIGHT), ...overrides };
  return {
    accent,
    primaryFont: FONT,
    backgroundColor: colour.background,
    subtle: colour.subtle,
    timestampColor: colour.subtle,
    avatarSize: 32,
    // Empty strings keep room for the avatar; who it shows is decided per activity by the avatar middleware.
    botAvatarInitials: '',
    botAvatarBackgroundColor: 'transparent',
    userAvatarInitials: undefined,
    showAvatarInGroup: 'sender',
    bubbleBackground: colour.bubble,
    bubbleTextColor: colour.text,
    bubbleBorderColor: colour.bubbleBorder,
    bubbleBorderRadius: 10,
    bubbleFromUserBackground: colour.mine,
    bubbleFromUserTextColor: colour.text,
    bubbleFromUserBorderColor: colour.mine,
    bubbleFromUserBorderRadius: 10,
    bubbleMaxWidth: 480,
    bubbleMinHeight: 36,
    paddingRegular: 12,
    paddingWide: 16,
    groupTimestamp: 300_000,
    markdownRenderHTML: false,
    rootHeight: '100%',
    rootWidth: '100%',
    sendBoxBackground: colour.field,
    sendBoxTextColor: colour.text,
    sendBoxPlaceholderColor: colour.subtle,
    sendBoxButtonColor: colour.subtle,
    sendBoxButtonColorOnHover: colour.text,
    sendBoxButtonColorOnFocus: colour.text,
    sendBoxButtonShadeColorOnHover: dark ? '#383838' : '#f0f0f0',
    sendBoxButtonShadeColorOnFocus: 'transparent',
    sendBoxButtonColorOnDisabled: dark ? '#6b6b6b' : '#b3b3b3',
    sendBoxButtonShadeColorOnDisabled: 'transparent',
    sendBoxBorderTop: `solid 1px ${colour.line}`,
    sendBoxTextWrap: true,
    sendBoxMaxHeight: 140,
    hideUploadButton: false,
    scrollToEndButtonBehavior: 'unread',
    suggestedActionBackgroundColor: colour.background,
    suggestedActionBorderColor: accent,
    suggestedActionTextColor: dark ? colour.text : accent,
    suggestedActionBorderRadius: 16,
    suggestedActionLayout: 'flow',
    toastSeparatorColor: colour.line,
    notificationText: colour.text,
    connectivityTextSize: 13,
    typingAnimationHeight: 16,
    cardPushButtonBackgroundColor: colour.background,
    cardPushButtonTextColor: accent,
    cardEmphasisBackgroundColor: dark ? '#383838' : '#ececec',
  };
}

/** Web Chat calls everybody on the other side "Bot", and here many of them are people. */
export const WEB_CHAT_WORDS = {
  ACTIVITY_BOT_SAID_ALT: 'They said:',
  ACTIVITY_BOT_ATTACHED_ALT: 'They attached:',
  KEYBOARD_HELP_CLOSE_BUTTON_ALT: 'Close the keyboard help',
};

/** Adaptive Cards bring their own colours; without this they stay dark on dark. */
export function adaptiveCardsLook(dark: boolean) {
  const text = dark ? '#f3f3f3' : '#242424';
  const subtle = dark ? '#b0b0b0' : '#5c5c5c';
  const tone = (strong: string) => ({ default: strong, subtle });
  return {
    supportsInteractivity: true,
    fontFamily: FONT,
    containerStyles: {
      default: {
        backgroundColor: dark ? '#2d2d2d' : '#f8f8f8',
        foregroundColors: {
          default: tone(text),
          accent: tone(dark ? '#7fc4cb' : '#0f5c63'),
          attention: tone(dark ? '#f1a4a0' : '#b10e1c'),
          good: tone(dark ? '#9fd89f' : '#0e700e'),
          warning: tone(dark ? '#f2c661' : '#8a5200'),
        },
      },
      emphasis: {
        backgroundColor: dark ? '#383838' : '#ececec',
        foregroundColors: { default: tone(text), accent: tone(dark ? '#7fc4cb' : '#0f5c63') },
      },
    },
  };
}
