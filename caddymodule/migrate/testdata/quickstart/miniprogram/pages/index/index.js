Page({
  onGetOpenid () {
    wx.cloud.callFunction({ name: 'login', data: {}, success: res => this.setData(res.result) })
  },
  async code () {
    const { result } = await wx.cloud.callFunction({ name: 'openapi', data: { action: 'getWXACode' } })
    return result
  }
})
