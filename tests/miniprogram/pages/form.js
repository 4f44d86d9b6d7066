// Callbacks, as code of 2018 has them.
Page({
  data: { calls: [] },

  onSubmit: function (e) {
    var that = this
    var calls = []
    wx.cloud.callFunction({
      name: e.function,
      config: { env: 'another-env' },
      data: e.value,
      success: function (res) {
        calls.push(['success', res])
      },
      fail: function (err) {
        calls.push(['fail', err])
      },
      complete: function (value) {
        calls.push(['complete', value])
        that.setData({ calls: calls })
        e.done()
      }
    })
  }
})
