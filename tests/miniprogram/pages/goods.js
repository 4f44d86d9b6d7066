// then and catch, with a result that means failure, and a call that fails.
const app = getApp()

Page({
  data: { sum: 0, error: '' },

  onLoad () {
    wx.showLoading({ title: 'loading' })
    return wx.cloud.callFunction({ name: 'results', data: { kind: 'object' } }).then(res => {
      wx.hideLoading()
      app.globalData.sum = res.result.sum
      this.setData({ sum: res.result.sum })
    })
  },

  onBuy () {
    return wx.cloud.callFunction({
      name: 'results',
      data: { kind: 'throws' }
    }).then(res => {
      this.setData({ sum: res.result.sum })
    }).catch(err => {
      wx.showToast({ title: err.errCode === -504002 ? 'sold out' : 'no network' })
      this.setData({ error: `${err}` })
    })
  }
})
