// Who posts to the relay: a channel of Azure Bot Service, told by the SDK's own validation of its token, and nobody else.

import type { ConfigurationBotFrameworkAuthentication } from 'botbuilder';
import { decodeJwt, type JWTPayload } from 'jose';
import type { Activity } from '../../core/activity.js';
import { BadRequest, DeliveryFailed } from '../../errors.js';
import { sdk } from '../../sdk.js';

/** The SDK's own names: ChannelService, ToBotFromChannelOpenIdMetadataUrl, … */
export type SdkSettings = Readonly<Record<string, string | undefined>>;

export class ChannelIdentity {
  readonly #authentication: ConfigurationBotFrameworkAuthentication;
  readonly #issuer: string;

  constructor(
    private readonly appId: string,
    settings: SdkSettings,
  ) {
    const { botbuilder, connector } = sdk();
    const whole = completed(settings);
    this.#issuer = whole['ToBotFromChannelTokenIssuer'];
    this.#authentication = new botbuilder.ConfigurationBotFrameworkAuthentication(
      { ...whole, MicrosoftAppId: appId },
      // Nothing is ever sent with it: it tells the SDK whose messages these are.
      new connector.PasswordServiceClientCredentialFactory(appId, ''),
    );
  }

  /**
   * The activity's `serviceUrl` is the one of the token afterwards: the bot's own token may be sent there.
   * @throws BadRequest 401 for anything that is not a channel's token for this bot, DeliveryFailed when the keys of the
   * issuer cannot be read.
   */
  async require(activity: Activity, authorization: string | undefined): Promise<void> {
    // Looked at before the signature is checked: each refusal names its reason, and costs nothing.
    const claims = claimsOf(authorization);
    // The SDK takes tokens of the Emulator and of other bots, too. Those name no serviceUrl: whoever sent one could have
    // the bot's own token sent wherever it likes.
    if (claims.iss !== this.#issuer) throw refused(`The token is not a channel's: its issuer is not ${this.#issuer}`);
    if (claims.aud !== this.appId) throw refused("The token is meant for another bot. Compare the bot's appId");
    const { serviceUrl } = activity;
    if (typeof serviceUrl !== 'string' || claims['serviceurl'] !== serviceUrl)
      throw refused("The token's serviceurl is not the activity's serviceUrl");
    if (!URL.canParse(serviceUrl) || !/^https?:$/.test(new URL(serviceUrl).protocol))
      throw refused('The serviceUrl is no http or https address');
    try {
      await this.#authentication.authenticateRequest(activity as never, authorization as string);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (!isUnreachable(cause)) throw refused(`The token is not valid: ${message}`, cause);
      throw new DeliveryFailed(
        `The keys that channels' tokens are checked with could not be read: ${message}. Let this machine reach login.botframework.com, or set ToBotFromChannelOpenIdMetadataUrl.`,
        true,
        { cause },
      );
    }
  }
}

/** The SDK takes all of these or none: whoever sets one would have to set them all. */
function completed(settings: SdkSettings): Record<string, string> & { ToBotFromChannelTokenIssuer: string } {
  const { AuthenticationConstants, GovernmentConstants } = sdk().connector;
  const isGovernment = settings['ChannelService'] === GovernmentConstants.ChannelService;
  const defaults = isGovernment ? GovernmentConstants : AuthenticationConstants;
  const names = [
    'ToBotFromChannelTokenIssuer',
    'ToBotFromChannelOpenIdMetadataUrl',
    'ToBotFromEmulatorOpenIdMetadataUrl',
    'ToChannelFromBotLoginUrl',
    'ToChannelFromBotOAuthScope',
    'OAuthUrl',
  ] as const;
  const own = (name: (typeof names)[number]) => {
    const value = settings[name];
    return value === undefined || value === '' ? String(defaults[name]) : value;
  };
  return Object.fromEntries(names.map((name) => [name, own(name)])) as ReturnType<typeof completed>;
}

function claimsOf(authorization: string | undefined): JWTPayload {
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
  if (token === undefined) throw refused('There is no token. Azure Bot Service sends one with every message');
  try {
    return decodeJwt(token);
  } catch (cause) {
    throw refused('The token is no JWT', cause);
  }
}

function refused(why: string, cause?: unknown): BadRequest {
  return new BadRequest(401, 'Unauthorized', `${why}.`, {}, cause === undefined ? {} : { cause });
}

/** What the SDK throws when it cannot read the issuer's document or keys, over the network or because of their status. */
function isUnreachable(cause: unknown): boolean {
  const { name, message = '' } = cause as { name?: string; message?: string };
  return name === 'FetchError' || /^Failed to load/.test(message);
}
