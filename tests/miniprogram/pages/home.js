// Promise.all over a wrapper, calls without data, and tcb-router's $url.
const { request } = require('./utils/request')

Page({
  async onLoad () {
    const [me, user, timer] = await Promise.all([
      wx.cloud.callFunction({ name: 'echo' }),
      wx.cloud.callFunction({ name: 'router', data: { $url: 'user', name: 'heyli' } }),
      request('router', { $url: 'timer', at: 8 })
    ])
    this.setData({ openid: me.result.openid, event: me.result.event, user: user.result, timer })
  }
})
