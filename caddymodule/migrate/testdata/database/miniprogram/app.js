App({ onLaunch () { wx.cloud.init({ env: 'made-up' }) } })
