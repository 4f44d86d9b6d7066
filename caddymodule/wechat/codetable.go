package wechat

const (
	adviceSecret   = "correct the AppID or the secret of this account; calls go on failing until then"
	adviceSecretZH = "请更正该账号的 AppID 或 AppSecret，在此之前调用会一直失败"

	adviceToken   = "another owner of this AppID may be invalidating its tokens: use token stable everywhere, or a token service"
	adviceTokenZH = "可能有其他服务在刷新同一 AppID 的 access_token：请各处都用 token stable，或统一使用 token 服务"

	adviceRequest   = "the request was malformed, or an id in it is bad; if it goes on, report it with the rid"
	adviceRequestZH = "请求格式有误，或其中某个 ID 无效；若持续出现，请带上 rid 反馈"

	adviceConsole   = "log in to WeChat's admin console (mp.weixin.qq.com), which says why and how to appeal"
	adviceConsoleZH = "请登录 mp.weixin.qq.com 查看原因并申诉"

	adviceArguments   = "correct what the function passes to this API; WeChat's page of the API says what it takes"
	adviceArgumentsZH = "请更正云函数传给该接口的参数，参数要求见该接口的微信文档"

	adviceFresh   = "the client must get a new CloudID for each call, and send it at once"
	adviceFreshZH = "小程序端每次调用都应取得新的 CloudID，并立即发送"

	adviceSlow   = "try again; if it goes on, the gateway's log says what is slow or broken between it and WeChat"
	adviceSlowZH = "请重试；若持续出现，网关日志会说明网关与微信之间哪里慢或断开"

	adviceRetired   = "WeChat has shut down templateMessage and uniformMessage: use subscribeMessage.send"
	adviceRetiredZH = "微信已下线模板消息（templateMessage）和统一服务消息（uniformMessage）：请改用 subscribeMessage.send"

	adviceQuota   = "wait, or raise the limit that the gateway's log names"
	adviceQuotaZH = "请稍候，或调高网关日志中指出的限额"
)

// codes is the one table of error codes: for log lines, the command explain, the inspector and docs/errors.md.
//
// Source: WeChat's documents of global return codes, of getopendata, jscode2session and the openapi interfaces, of the error
// codes of the cloud, and the messages in wx-server-sdk.
var codes = map[int]ErrorCode{
	// WeChat's server API.
	0: {
		Party:   PartyNobody,
		English: Text{"success: nothing failed", "where a function still got no open data, see in the inspector, or in the DEBUG line invocation, what became of each member and why; X-WX-OPEN-DATA-INFO names to the function those that hold open data"},
		Chinese: Text{"成功，没有出错", "若云函数仍未得到开放数据，请在 inspector 或 DEBUG 日志的 invocation 一行中查看每个字段的结果及原因；请求头 X-WX-OPEN-DATA-INFO 会告诉云函数哪些字段是开放数据"},
	},
	-1: {
		Party:   PartyNobody,
		English: Text{"system busy", "WeChat is busy; if it goes on, raise the account's retries or timeout"},
		Chinese: Text{"系统繁忙", "微信繁忙，请稍候重试；若持续出现，可调高账号的 retries 或 timeout"}, everybody: true,
	},
	40001: {
		Party:   PartyOperator,
		English: Text{"access token or secret invalid", adviceToken},
		Chinese: Text{"access_token 或 AppSecret 无效", adviceTokenZH}, everybody: true,
	},
	40003: {
		Party:   PartyOperator,
		English: Text{"openid invalid", "the authenticator in front passes on something that is no openid of this AppID"},
		Chinese: Text{"openid 无效", "前置的身份认证传来的不是该 AppID 下的 openid"},
	},
	40007: {
		Party:   PartyFunction,
		English: Text{"media_id invalid", "media ids belong to one app and expire after three days; upload the file again"},
		Chinese: Text{"media_id 无效", "media_id 只属于上传它的应用，三天后失效；请重新上传"},
	},
	40009: {
		Party:   PartyFunction,
		English: Text{"picture too large", "imgSecCheck takes at most 1 MB and 750 by 1334 points; make the picture smaller"},
		Chinese: Text{"图片过大", "imgSecCheck 最大 1 MB、750×1334 像素；请先压缩图片"},
	},
	40013: {
		Party:   PartyOperator,
		English: Text{"AppID invalid", adviceSecret},
		Chinese: Text{"AppID 无效", adviceSecretZH}, everybody: true,
	},
	40014: {
		Party:   PartyOperator,
		English: Text{"access token invalid", adviceToken},
		Chinese: Text{"access_token 无效", adviceTokenZH}, everybody: true,
	},
	40029: {
		Party:   PartyClient,
		English: Text{"login code invalid", "the client must call wx.login again, and send the fresh code within five minutes; if all fail, the codes are of another mini program than this account: compare its AppID"},
		Chinese: Text{"登录 code 无效", "小程序端应重新调用 wx.login，并在五分钟内发送新的 code；若总是失败，说明 code 属于另一个小程序，请核对账号的 AppID"},
	},
	40037: {
		Party:   PartyFunction,
		English: Text{"template_id invalid", "take the template's id from WeChat's admin console of this very app"},
		Chinese: Text{"template_id 无效", "请使用本小程序后台中的模板 ID"},
	},
	40066: {
		Party:   PartyOperator,
		English: Text{"no such API path", "correct the path in relay, or the account's endpoint"},
		Chinese: Text{"接口路径不存在", "请更正 relay 中的路径或账号的 endpoint"},
	},
	40097: {
		Party:   PartyClient,
		English: Text{"arguments invalid", adviceRequest},
		Chinese: Text{"参数无效", adviceRequestZH},
	},
	40125: {
		Party:   PartyOperator,
		English: Text{"secret invalid", adviceSecret + "; a secret that was reset in WeChat's admin console is a new one"},
		Chinese: Text{"AppSecret 无效", adviceSecretZH + "；后台重置过的 AppSecret 要换成新的"}, everybody: true,
	},
	40163: {
		Party:   PartyClient,
		English: Text{"login code used before", "the client must call wx.login for every login, and send each code once"},
		Chinese: Text{"登录 code 已被使用", "每次登录都应调用 wx.login，每个 code 只发送一次"},
	},
	40164: {
		Party:   PartyOperator,
		English: Text{"IP address not on the whitelist", "put this gateway's address on the IP whitelist of this AppID (WeChat's admin console, development settings)"},
		Chinese: Text{"IP 不在白名单中", "请把网关的出口 IP 加入该 AppID 的 IP 白名单（mp.weixin.qq.com，开发设置）"}, everybody: true,
	},
	40226: {
		Party:   PartyNobody,
		English: Text{"user blocked as high risk", "WeChat blocks this user; nothing to be done here"},
		Chinese: Text{"高风险用户，登录被拦截", "微信拦截了该用户，此处无需处理"},
	},
	40243: {
		Party: PartyOperator,
		English: Text{
			"secret frozen",
			"unfreeze the secret in WeChat's admin console (development settings); it is right, so a new one is not needed, and 40125 would say that it is wrong",
		},
		Chinese: Text{"AppSecret 已被冻结", "请在 mp.weixin.qq.com 的开发设置中解冻 AppSecret；它本身没有错（写错时是 40125），不必更换"}, everybody: true,
	},
	41001: {
		Party:   PartyOperator,
		English: Text{"access token missing", "token none works only where WeChat adds the token; use token stable elsewhere"},
		Chinese: Text{"缺少 access_token", "token none 只适用于由微信补上 token 的环境；其他环境请用 token stable"}, everybody: true,
	},
	41002: {
		Party:   PartyOperator,
		English: Text{"AppID missing", adviceSecret},
		Chinese: Text{"缺少 AppID", adviceSecretZH}, everybody: true,
	},
	41004: {
		Party:   PartyOperator,
		English: Text{"secret missing", adviceSecret},
		Chinese: Text{"缺少 AppSecret", adviceSecretZH}, everybody: true,
	},
	41005: {
		Party:   PartyFunction,
		English: Text{"media data missing", adviceArguments + "; a picture goes in as {contentType, value: Buffer}"},
		Chinese: Text{"缺少媒体数据", adviceArgumentsZH + "；图片应传 {contentType, value: Buffer}"},
	},
	41008: {
		Party:   PartyClient,
		English: Text{"login code missing", "the client must send the code that wx.login gave it"},
		Chinese: Text{"缺少登录 code", "小程序端应发送 wx.login 返回的 code"},
	},
	41030: {
		Party:   PartyFunction,
		English: Text{"page does not exist", "the page must be in a published version of the mini program, without a leading slash"},
		Chinese: Text{"页面不存在", "页面必须存在于已发布的小程序中，路径前不加斜杠"},
	},
	42001: {
		Party:   PartyOperator,
		English: Text{"access token expired", "the token source gives out old tokens: check the token service or the token's file"},
		Chinese: Text{"access_token 已过期", "token 来源给出的是旧 token：请检查 token 服务或 token 文件"}, everybody: true,
	},
	43001: {
		Party:   PartyFunction,
		English: Text{"the method must be GET", "call this API with GET"},
		Chinese: Text{"需要 GET 请求", "请用 GET 调用该接口"},
	},
	43002: {
		Party:   PartyFunction,
		English: Text{"the method must be POST", "call this API with POST"},
		Chinese: Text{"需要 POST 请求", "请用 POST 调用该接口"},
	},
	43101: {
		Party:   PartyClient,
		English: Text{"the user has not subscribed to this message", "ask with wx.requestSubscribeMessage before; each consent is for one message"},
		Chinese: Text{"用户未订阅该消息", "请先调用 wx.requestSubscribeMessage；一次授权只能发一条"},
	},
	44002: {
		Party:   PartyFunction,
		English: Text{"request body empty", adviceRequest},
		Chinese: Text{"请求体为空", adviceRequestZH},
	},
	45002: {
		Party:   PartyFunction,
		English: Text{"content too long", adviceArguments},
		Chinese: Text{"内容超出长度限制", adviceArgumentsZH},
	},
	45009: {
		Party:   PartyOperator,
		English: Text{"daily quota used up", "it counts from midnight to midnight, Beijing time, for all that uses the AppID: find what makes the calls (caddy_cloudid_wechat_calls_total, other services), set `limit` for each user, or raise or clear the quota in WeChat's admin console"},
		Chinese: Text{"当日调用额度已用完", "额度按北京时间自然日计算，使用同一 AppID 的所有服务共用：请查清是谁在调用（caddy_cloudid_wechat_calls_total 及其他服务），用 limit 限制单个用户，或在微信后台提高或清零额度"}, everybody: true,
	},
	45011: {
		Party:   PartyOperator,
		English: Text{"called too often", "too many calls a minute, of this API or, for logins, of this user: wait a minute, and let the client ask less often"},
		Chinese: Text{"调用过于频繁", "该接口（登录则为该用户）每分钟调用过多：请等待一分钟，并让客户端减少调用"}, everybody: true,
	},
	45029: {
		Party:   PartyFunction,
		English: Text{"all codes of this kind are used up", "use getUnlimited, whose number has no limit, and keep the pictures"},
		Chinese: Text{"小程序码数量达到上限", "请改用不限量的 getUnlimited，并保存已生成的图片"},
	},
	45080: {
		Party:   PartyFunction,
		English: Text{"the user has not spoken lately", "customer messages can be sent for a short time after the user wrote or opened the chat"},
		Chinese: Text{"用户近期没有互动", "客服消息只能在用户发消息或进入会话后的短时间内发送"},
	},
	45103: {
		Party:   PartyFunction,
		English: Text{"API shut down", adviceRetired},
		Chinese: Text{"接口已下线", adviceRetiredZH},
	},
	45109: {
		Party:   PartyFunction,
		English: Text{"API shut down", adviceRetired},
		Chinese: Text{"接口已下线", adviceRetiredZH},
	},
	47001: {
		Party:   PartyFunction,
		English: Text{"request body not understood", adviceRequest},
		Chinese: Text{"请求体无法解析", adviceRequestZH},
	},
	47003: {
		Party:   PartyFunction,
		English: Text{"a template's argument is wrong", "the values of the message must fit the kinds of the template's keywords, such as thing, time or number"},
		Chinese: Text{"模板参数不正确", "消息内容必须符合模板关键词的类型（thing、time、number 等）"},
	},
	48001: {
		Party:   PartyOperator,
		English: Text{"API not allowed for this app", "the app may not call this API: open cloud development for it, or get the permission; some APIs are for verified or paying apps only"},
		Chinese: Text{"该小程序无权调用此接口", "请为小程序开通云开发或申请该接口权限；有些接口只对已认证或付费的小程序开放"}, everybody: true,
	},
	48004: {
		Party:   PartyOperator,
		English: Text{"API blocked for this app", adviceConsole},
		Chinese: Text{"接口被封禁", adviceConsoleZH}, everybody: true,
	},
	50002: {
		Party:   PartyOperator,
		English: Text{"account restricted", adviceConsole},
		Chinese: Text{"账号受限", adviceConsoleZH}, everybody: true,
	},
	61010: {
		Party:   PartyFunction,
		English: Text{"the user was not in the mini program within two hours", "pass the openid of the user who is there now"},
		Chinese: Text{"用户两小时内没有访问小程序", "请传入当前用户的 openid"},
	},
	85088: {
		Party:   PartyOperator,
		English: Text{"app has no cloud development", "open cloud development for the app in WeChat's developer tools: only then are there CloudIDs"},
		Chinese: Text{"小程序未开通云开发", "请在微信开发者工具中开通云开发，之后才有 CloudID"}, everybody: true,
	},
	87014: {
		Party:   PartyNobody,
		English: Text{"the content is risky", "the check works: do not publish what the user sent"},
		Chinese: Text{"内容含有违规信息", "检测正常：请不要发布用户提交的内容"},
	},

	// In the place of a CloudID.
	CodeSystemError: {
		Party:   PartyOperator,
		English: Text{openDataMessages[CodeSystemError], "WeChat gave no usable response for this CloudID; the gateway's log says why"},
		Chinese: Text{"系统错误", "微信没有给出可用的结果；原因见网关日志"},
	},
	CodeArgsError: {
		Party:   PartyFunction,
		English: Text{openDataMessages[CodeArgsError], adviceArguments},
		Chinese: Text{"参数错误", adviceArgumentsZH},
	},
	CodeNetworkError: {
		Party:   PartyOperator,
		English: Text{openDataMessages[CodeNetworkError], "the network between the gateway and WeChat failed; the gateway's log says how"},
		Chinese: Text{"网络错误", "网关与微信之间的网络出错；详情见网关日志"},
	},
	CodeDenied: {
		Party:   PartyOperator,
		English: Text{openDataMessages[CodeDenied], "the app may not exchange CloudIDs, or the caller's token was rejected: open cloud development, and pass on the token of this very call"},
		Chinese: Text{"没有接口权限", "小程序无权换取开放数据，或调用者的 token 被拒绝：请开通云开发，并使用本次调用的 token"},
	},
	CodeInvalidCloudID: {
		Party:   PartyClient,
		English: Text{openDataMessages[CodeInvalidCloudID], "this is no CloudID of this app: send what wx.getWeRunData and others give as cloudID, unchanged and at the top level of the data"},
		Chinese: Text{"CloudID 无效", "这不是本小程序的 CloudID：请原样发送 wx.getWeRunData 等接口返回的 cloudID，并放在 data 的最外层"},
	},
	CodeExpiredCloudID: {
		Party:   PartyClient,
		English: Text{openDataMessages[CodeExpiredCloudID], "CloudIDs live for five minutes, and so does encryptedData; " + adviceFresh + "; where WeChat gives no CloudID, call wx.getWeRunData or the like again"},
		Chinese: Text{"CloudID 已过期", "CloudID 和 encryptedData 五分钟内有效；" + adviceFreshZH + "；没有 CloudID 的设备请重新调用 wx.getWeRunData 等接口"},
	},
	CodeUserMismatch: {
		Party:   PartyClient,
		English: Text{openDataMessages[CodeUserMismatch], "the CloudID was given to another user or app than the one who is logged in: check session and account, and that the client keeps no CloudID over a change of user; nobody can redeem another user's"},
		Chinese: Text{"CloudID 与调用用户不匹配", "该 CloudID 属于其他用户或其他小程序：请检查登录会话与账号，切换用户后不要沿用旧的 CloudID"},
	},
	CodeTimeout: {
		Party:   PartyOperator,
		English: Text{openDataMessages[CodeTimeout], "WeChat did not respond within the account's timeout, or too many calls were in flight; the gateway's log says which"},
		Chinese: Text{"服务端请求超时", "微信未在 timeout 内应答，或同时进行的调用过多；见网关日志"},
	},
	CodeNoPhoneOfMember: {
		Party:   PartyNobody,
		English: Text{openDataMessages[CodeNoPhoneOfMember], "the user has no phone number in WeChat; ask for it in another way"},
		Chinese: Text{"用户未绑定手机号", "该用户的微信没有手机号；请用其他方式获取"},
	},

	// cloud.openapi and cloud.callFunction, as functions and clients know them.
	-401002: {
		Party:   PartyClient,
		English: Text{"an argument cannot be sent", "the message names it: functions, circular references and the like have no JSON"},
		Chinese: Text{"参数无法发送", "报错信息指出了哪个参数：函数、循环引用等无法转为 JSON"},
	},
	-401003: {
		Party:   PartyClient,
		English: Text{"an argument is of the wrong type", "the message names it: name is a string, data an object"},
		Chinese: Text{"参数类型错误", "报错信息指出了哪个参数：name 为字符串，data 为对象"},
	},
	-501000: {
		Party:   PartyOperator,
		English: Text{"no such function", "there is no function of this name behind the gateway: check the name, and where functions or the reverse proxy point"},
		Chinese: Text{"找不到云函数", "网关后没有这个名字的函数：请检查函数名，以及 functions 或反向代理的地址"},
	},
	-501001: {
		Party:   PartyOperator,
		English: Text{"the gateway rejected the call, or failed", "the message has the HTTP status and the reason; the gateway's log has the rest"},
		Chinese: Text{"网关拒绝了调用或出错", "报错信息中有 HTTP 状态和原因；其余见网关日志"},
	},
	-501002: {
		Party:   PartyOperator,
		English: Text{"no response in time", "the function or WeChat was too slow: see the function's log, and the account's timeout"},
		Chinese: Text{"响应超时", "函数或微信过慢：请查看函数日志和账号的 timeout"},
	},
	-501003: {
		Party:   PartyOperator,
		English: Text{"too many calls", adviceQuota},
		Chinese: Text{"调用次数超出限额", adviceQuotaZH},
	},
	-501004: {
		Party:   PartyOperator,
		English: Text{"too many calls at once", adviceQuota},
		Chinese: Text{"并发调用超出限额", adviceQuotaZH},
	},
	-501005: {
		Party:   PartyClient,
		English: Text{"no such environment", "the gateway knows no environments; leave env out of the call"},
		Chinese: Text{"环境不存在", "网关没有云环境的概念；调用时请去掉 env"},
	},
	-501007: {
		Party:   PartyClient,
		English: Text{"the call is malformed", "the message says what is wrong: the member and the rule, or what was wrong with the login; if it names a status alone, the gateway hides the words for want of handle_errors, but its inspector shows them"},
		Chinese: Text{"请求参数错误", "报错信息指出了问题：字段和规则，或登录出错的原因；若只有状态码，是网关没有配置 handle_errors，可在其 inspector 中查看"},
	},
	-501018: {
		Party:   PartyOperator,
		English: Text{"not available at the moment", adviceSlow},
		Chinese: Text{"服务暂不可用", adviceSlowZH},
	},
	-501019: {
		Party:   PartyClient,
		English: Text{"not logged in, or not allowed", "the client must log in again; if it did, check the session's account and key"},
		Chinese: Text{"未登录或没有权限", "小程序端应重新登录；若已登录，请检查会话的账号与 key"},
	},
	-504001: {
		Party:   PartyOperator,
		English: Text{"the function could not be reached", "start the function, and check where functions or the reverse proxy point"},
		Chinese: Text{"无法调用云函数", "请启动函数，并检查 functions 或反向代理的地址"},
	},
	-504002: {
		Party:   PartyFunction,
		English: Text{"functions execute fail", "the function threw an error or responded with 500: see its own log"},
		Chinese: Text{"云函数执行失败", "函数抛出异常或返回 500：请查看函数自己的日志"},
	},
	-504003: {
		Party:   PartyFunction,
		English: Text{"the function took too long", "see the function's log; raise the timeout in front of it only if it must take so long"},
		Chinese: Text{"云函数执行超时", "请查看函数日志；确需更长时间时再调高前面的超时"},
	},
	-604001: {
		Party:   PartyFunction,
		English: Text{"the response is too large", "ask for less; the cloud's own limit is 1 MB"},
		Chinese: Text{"返回内容过大", "请减少返回内容；云端的上限为 1 MB"},
	},
	-604100: {
		Party:   PartyFunction,
		English: Text{"no such openapi", "check the name behind cloud.openapi; for a path that the gateway has no name for, use relay"},
		Chinese: Text{"openapi 不存在", "请检查 cloud.openapi 后的名称；网关没有收录名称的路径可用 relay"},
	},
	-604101: {
		Party:   PartyOperator,
		English: Text{"function has no permission to call this API", "add the name to openapi in cloudid_api, as config.json of the function has it in permissions.openapi"},
		Chinese: Text{"函数没有调用该接口的权限", "请把该名称加入 cloudid_api 的 openapi，对应函数 config.json 中的 permissions.openapi"},
	},
	-604102: {
		Party:   PartyOperator,
		English: Text{"openapi got no response in time", adviceSlow},
		Chinese: Text{"openapi 调用超时", adviceSlowZH},
	},
	-604103: {
		Party:   PartyOperator,
		English: Text{"openapi system error", adviceSlow},
		Chinese: Text{"openapi 系统错误", adviceSlowZH},
	},
	-604104: {
		Party:   PartyFunction,
		English: Text{"illegal source of an openapi call", "the call needs the token of an invocation, or an address that cloudid_api trusts"},
		Chinese: Text{"openapi 调用来源不合法", "调用需要本次调用的 token，或来自 cloudid_api 信任的地址"},
	},
}
