// A wx whose requests go nowhere, for what no real device and no real gateway can be brought to do.

const json = { 'Content-Type': 'application/json' }

/** requests has what was sent, state.responses how many responses came; respond makes the response of a call to a function. */
export function wxWith (cloud, respond = () => ({ statusCode: 200, header: json, data: '{"done":true}' })) {
  const requests = []
  const state = { logins: 0, checks: 0, responses: 0, storage: new Map() }
  const wx = {
    request (options) {
      requests.push(options)
      const isLogin = /^\{"code":"[^"]*"\}$/.test(options.data)
      const response = isLogin
        ? { statusCode: 200, header: json, data: `{"token":"token ${state.logins}","expires_in":7200}` }
        : respond(options, requests)
      setTimeout(() => {
        state.responses++
        options.success(response)
      }, 0)
    },
    login (options) {
      state.logins++
      setTimeout(() => options.success({ code: `code ${state.logins}` }), 0)
    },
    checkSession (options) {
      state.checks++
      setTimeout(() => options.success({}), 0)
    },
    getStorageSync: key => state.storage.get(key) ?? '',
    setStorageSync: (key, value) => { state.storage.set(key, value) },
    removeStorageSync: key => { state.storage.delete(key) }
  }
  if (cloud) wx.cloud = cloud
  return { wx, requests, state }
}
