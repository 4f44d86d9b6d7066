// The types are complete in themselves; they fit those of miniprogram-api-typings, wx.cloud's own.

declare const cloud: cloud.Cloud
export = cloud

declare namespace cloud {
  interface Options {
    /** The gateway's address, such as https://example.com or https://example.com/app. */
    url: string
    /** Where functions are, below url. {name} is the function's; without it, the name comes last. Default: /fn/{name} */
    path?: string
    /** Where wechat_login is, below url. Default: /login */
    loginPath?: string
    /** How long each request of a call and of a login may take, in milliseconds. Default: wx.request's own, 60000 or what app.json says. */
    timeout?: number
  }

  interface Cloud {
    /**
     * Sets the gateway, and puts callFunction and CloudID into wx.cloud, whose other members stay what they are. Where
     * wx.cloud cannot be changed, console.error says what to write instead. Throws only for wrong options.
     */
    install(options: Options): Cloud
    /** Sets the gateway, and changes nothing in wx. Throws for wrong options. */
    configure(options: Options): Cloud
    /** As wx.cloud.init, which it calls where there is one; with a url, it also does what configure does. */
    init(options?: { env?: string | object; traceUser?: boolean } & Partial<Options>): void
    /**
     * Makes sure that the session's key is the one that WeChat encrypts with: logs in once for each start of the app, and
     * again when wx.checkSession fails. Calls log in by themselves; call this before you ask WeChat for data that comes as
     * encryptedData. Rejects with errMsg cloud.login:fail, otherwise as callFunction does.
     */
    login(): Promise<void>

    callFunction(param: CallFunctionParam & WithCallback): void
    callFunction(param: CallFunctionParam & WithoutCallback): Promise<CallFunctionResult>

    CloudID: CloudIDConstructor
  }

  interface CallFunctionParam {
    /** The function's name. */
    name: string
    /** The event, an object that can be written as JSON; without it, the function receives {}. */
    data?: Record<string, any>
    /** As in wx.cloud.callFunction; env is ignored, there being one gateway. */
    config?: { env?: string; traceUser?: boolean }
    /** As in wx.cloud.callFunction; ignored. */
    slow?: boolean
  }

  interface Callbacks {
    success: (result: CallFunctionResult) => void
    fail: (error: CallFunctionError) => void
    /** Runs after success or fail, with the same argument. */
    complete: (value: any) => void
  }

  type WithCallback = Partial<Callbacks> & (Pick<Callbacks, 'success'> | Pick<Callbacks, 'fail'> | Pick<Callbacks, 'complete'>)
  type WithoutCallback = { [name in keyof Callbacks]?: undefined }

  interface CallFunctionResult {
    /** What the function responded: JSON parsed, text as a string, undefined for 204. */
    result: any
    errMsg: string
    /** The gateway's X-Request-Id, or the function's; '' without one. */
    requestID: string
  }

  interface CallFunctionError extends Error {
    /** WeChat's own numbers where there are some, see README.md. */
    errCode: number
    /** Begins with cloud.callFunction:fail */
    errMsg: string
    /** The HTTP status, where there was a response. */
    statusCode?: number
    requestID?: string
    /** wx.request's or wx.login's, where there was no response. */
    errno?: number
  }

  interface CloudID {
    toJSON(): string
    toString(): string
  }

  interface CloudIDConstructor {
    new (cloudID: string): CloudID
    (cloudID: string): CloudID
  }
}
