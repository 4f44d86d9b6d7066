// The one line that changes:
require('./cloud').install({ url: require('./config').url })

App({
  globalData: {},
  onLaunch () {
    if (!wx.cloud) {
      console.error('this base library has no wx.cloud')
    } else {
      wx.cloud.init({ env: 'prod-0g4b', traceUser: true })
    }
  }
})
