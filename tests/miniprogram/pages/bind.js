// A page that serves every device: it logs in before it asks for data, and sends what it was given.
const cloud = require('./cloud')

Page({
  onLoad () {
    return cloud.login()
  },

  async onSync () {
    const res = await wx.getWeRunData()
    const { result } = await wx.cloud.callFunction({ name: 'echo', data: { weRunData: res, n: 1 } })
    this.setData({ result })
  }
})
