package wechat

// miniProgramAPIs are the APIs that functions of mini programs call as cloud.openapi.<name>. Some have two names, an older and a
// newer one, with the same path.
//
// Source: WeChat's documents of the server API, each of which states the name under "cloud call" and the path under "HTTPS call",
// collected in testdata/openapi.tsv. The test walks that file. Where sources disagree, a comment says which one is followed.
var miniProgramAPIs = []OpenAPI{
	post("analysis.getDailyRetain", "/datacube/getweanalysisappiddailyretaininfo"),
	post("analysis.getDailySummary", "/datacube/getweanalysisappiddailysummarytrend"),
	post("analysis.getDailyVisitTrend", "/datacube/getweanalysisappiddailyvisittrend"),
	post("analysis.getMonthlyRetain", "/datacube/getweanalysisappidmonthlyretaininfo"),
	post("analysis.getMonthlyVisitTrend", "/datacube/getweanalysisappidmonthlyvisittrend"),
	post("analysis.getPerformanceData", "/wxa/business/performance/boot"),
	post("analysis.getUserPortrait", "/datacube/getweanalysisappiduserportrait"),
	post("analysis.getVisitDistribution", "/datacube/getweanalysisappidvisitdistribution"),
	post("analysis.getVisitPage", "/datacube/getweanalysisappidvisitpage"),
	post("analysis.getWeeklyRetain", "/datacube/getweanalysisappidweeklyretaininfo"),
	post("analysis.getWeeklyVisitTrend", "/datacube/getweanalysisappidweeklyvisittrend"),

	// The document lists the arguments of this GET as a body; its example URLs have them in the query.
	get("auth.getPaidUnionId", "/wxa/getpaidunionid"),

	post("chattoolmsg.send", "/cgi-bin/message/wxopen/chattoolmsg/send"),

	post("cloudbase.addDelayedFunctionTask", "/tcb/adddelayedfunctiontask"),
	post("cloudbase.createSendSmsTask", "/tcb/createsendsmstask"),
	// The documents' examples of the next two set convertCase: false.
	post("cloudbase.describeExtensionUploadInfo", "/tcb/describeextensionuploadinfo").spelled("ExtensionFiles", "FileName", "FileType"),
	post("cloudbase.describeSmsRecords", "/tcb/describesmsrecords").spelled("EndDate", "EnvId", "Mobile", "PageNumber", "PageSize", "QueryId", "StartDate"),
	// The gateway serves this one itself, as it does ApiGetOpenDataByCloudId.
	post("cloudbase.getOpenData", "/wxa/getopendata"),
	post("cloudbase.getStatistics", "/tcb/getstatistics"),
	// The gateway serves this one itself.
	post("cloudbase.getVoIPSign", "/wxa/getvoipsign"),
	post("cloudbase.report", "/tcb/cloudbasereport"),
	post("cloudbase.sendSms", "/tcb/sendsms"),
	post("cloudbase.sendSmsV2", "/tcb/sendsmsv2"),

	post("customerServiceMessage.send", "/cgi-bin/message/custom/send"),
	// Sources disagree: the current page has /business/typing for mini programs, the page of 2021 /cgi-bin/message/custom/typing,
	// which is that of official accounts today. The current page wins.
	post("customerServiceMessage.setTyping", "/cgi-bin/message/custom/business/typing"),
	get("customerServiceMessage.getTempMedia", "/cgi-bin/media/get").media(),
	upload("customerServiceMessage.uploadTempMedia", "/cgi-bin/media/upload", "media"),

	post("device.getSnTicket", "/wxa/getsnticket"),

	upload("img.aiCrop", "/cv/img/aicrop", "img"),
	upload("img.scanQRCode", "/cv/img/qrcode", "img"),
	// The response is JSON with a media_id, no picture. One library spells the path superResolution; the page and two others as here.
	upload("img.superresolution", "/cv/img/superresolution", "img"),

	post("liveBroadcast.addAssistant", "/wxaapi/broadcast/room/addassistant").spelled("roomId"),
	post("liveBroadcast.addGoods", "/wxaapi/broadcast/room/addgoods").spelled("roomId"),
	post("liveBroadcast.addRole", "/wxaapi/broadcast/role/addrole"),
	post("liveBroadcast.addSubAnchor", "/wxaapi/broadcast/room/addsubanchor").spelled("roomId"),
	post("liveBroadcast.createRoom", "/wxaapi/broadcast/room/create").spelled("anchorName", "anchorWechat", "closeComment", "closeGoods", "closeKf", "closeLike", "closeReplay", "closeShare", "coverImg", "createrWechat", "endTime", "feedsImg", "isFeedsPublic", "shareImg", "startTime", "subAnchorWechat"),
	post("liveBroadcast.deleteRole", "/wxaapi/broadcast/role/deleterole"),
	post("liveBroadcast.deleteRoom", "/wxaapi/broadcast/room/deleteroom"),
	post("liveBroadcast.deleteSubAnchor", "/wxaapi/broadcast/room/deletesubanchor").spelled("roomId"),
	post("liveBroadcast.editRoom", "/wxaapi/broadcast/room/editroom").spelled("anchorName", "anchorWechat", "closeComment", "closeGoods", "closeKf", "closeLike", "closeReplay", "closeShare", "coverImg", "endTime", "feedsImg", "isFeedsPublic", "shareImg", "startTime"),
	// The documents of the four GETs with roomId list it as a body; libraries that are in use put it in the query.
	get("liveBroadcast.getAssistantList", "/wxaapi/broadcast/room/getassistantlist").spelled("roomId"),
	post("liveBroadcast.getFollowers", "/wxa/business/get_wxa_followers"),
	post("liveBroadcast.getLiveInfo", "/wxa/business/getliveinfo"),
	get("liveBroadcast.getPushUrl", "/wxaapi/broadcast/room/getpushurl").spelled("roomId"),
	get("liveBroadcast.getRoleList", "/wxaapi/broadcast/role/getrolelist"),
	get("liveBroadcast.getSharedCode", "/wxaapi/broadcast/room/getsharedcode").spelled("roomId"),
	get("liveBroadcast.getSubAnchor", "/wxaapi/broadcast/room/getsubanchor").spelled("roomId"),
	post("liveBroadcast.goodsAdd", "/wxaapi/broadcast/goods/add").spelled("coverImgUrl", "goodsInfo", "priceType", "thirdPartyAppid"),
	post("liveBroadcast.goodsAudit", "/wxaapi/broadcast/goods/audit").spelled("goodsId"),
	post("liveBroadcast.goodsDelete", "/wxaapi/broadcast/goods/deleteInRoom").spelled("goodsId", "roomId"),
	post("liveBroadcast.goodsInfo", "/wxa/business/getgoodswarehouse"),
	get("liveBroadcast.goodsList", "/wxaapi/broadcast/goods/getapproved"),
	post("liveBroadcast.goodsPush", "/wxaapi/broadcast/goods/push").spelled("goodsId", "roomId"),
	post("liveBroadcast.goodsResetAudit", "/wxaapi/broadcast/goods/resetaudit").spelled("auditId", "goodsId"),
	post("liveBroadcast.goodsSale", "/wxaapi/broadcast/goods/onsale").spelled("goodsId", "onSale", "roomId"),
	post("liveBroadcast.goodsSort", "/wxaapi/broadcast/goods/sort").spelled("goodsId", "roomId"),
	post("liveBroadcast.goodsUpdate", "/wxaapi/broadcast/goods/update").spelled("coverImgUrl", "goodsId", "goodsInfo", "priceType", "thirdPartyAppid"),
	post("liveBroadcast.goodsVideo", "/wxaapi/broadcast/goods/getVideo").spelled("goodsId", "roomId"),
	post("liveBroadcast.modifyAssistant", "/wxaapi/broadcast/room/modifyassistant").spelled("roomId"),
	post("liveBroadcast.modifySubAnchor", "/wxaapi/broadcast/room/modifysubanchor").spelled("roomId"),
	post("liveBroadcast.pushMessage", "/wxa/business/push_message"),
	post("liveBroadcast.removeAssistant", "/wxaapi/broadcast/room/removeassistant").spelled("roomId"),
	post("liveBroadcast.updateComment", "/wxaapi/broadcast/room/updatecomment").spelled("banComment"),
	post("liveBroadcast.updateFeedPublic", "/wxaapi/broadcast/room/updatefeedpublic").spelled("isFeedsPublic", "roomId"),
	post("liveBroadcast.updateKF", "/wxaapi/broadcast/room/updatekf").spelled("closeKf", "roomId"),
	post("liveBroadcast.updateReplay", "/wxaapi/broadcast/room/updatereplay").spelled("closeReplay", "roomId"),

	post("logistics.addOrder", "/cgi-bin/express/business/order/add"),
	post("logistics.batchGetOrder", "/cgi-bin/express/business/order/batchget"),
	post("logistics.bindAccount", "/cgi-bin/express/business/account/bind"),
	post("logistics.cancelOrder", "/cgi-bin/express/business/order/cancel"),
	get("logistics.getAllAccount", "/cgi-bin/express/business/account/getall"),
	get("logistics.getAllDelivery", "/cgi-bin/express/business/delivery/getall"),
	post("logistics.getContact", "/cgi-bin/express/delivery/contact/get"),
	post("logistics.getOrder", "/cgi-bin/express/business/order/get"),
	post("logistics.getPath", "/cgi-bin/express/business/path/get"),
	get("logistics.getPrinter", "/cgi-bin/express/business/printer/getall"),
	post("logistics.getQuota", "/cgi-bin/express/business/quota/get"),
	post("logistics.previewTemplate", "/cgi-bin/express/delivery/template/preview"),
	post("logistics.updateBusiness", "/cgi-bin/express/delivery/service/business/update"),
	post("logistics.updatePath", "/cgi-bin/express/delivery/path/update"),
	post("logistics.updatePrinter", "/cgi-bin/express/business/printer/update"),

	post("nearbyPoi.add", "/wxa/addnearbypoi"),
	post("nearbyPoi.delete", "/wxa/delnearbypoi"),
	// Sources disagree: POST with a body on the current page, GET with page and page_rows in the query on that of 2021. The current
	// page wins.
	post("nearbyPoi.getList", "/wxa/getnearbypoilist"),
	post("nearbyPoi.setShowStatus", "/wxa/setnearbypoishowstatus"),

	upload("ocr.bankcard", "/cv/ocr/bankcard", "img"),
	upload("ocr.businessLicense", "/cv/ocr/bizlicense", "img"),
	// The licence of a driver; ocr.drivingLicense and ocr.vehicleLicense are that of a vehicle.
	upload("ocr.driverLicense", "/cv/ocr/drivinglicense", "img"),
	upload("ocr.drivingLicense", "/cv/ocr/driving", "img"),
	upload("ocr.idcard", "/cv/ocr/idcard", "img"),
	// img_url outside of the query gives 41005, media data missing.
	upload("ocr.printedText", "/cv/ocr/comm", "img"),
	upload("ocr.vehicleLicense", "/cv/ocr/driving", "img"),

	// The response is the file, or for a video JSON with its URL.
	get("officialAccount.media.get", "/cgi-bin/media/get").media(),
	upload("officialAccount.media.upload", "/cgi-bin/media/upload", "media"),

	post("officialAccount.newtmpl.addTemplate", "/wxaapi/newtmpl/addtemplate").spelled("kidList", "sceneDesc"),
	post("officialAccount.newtmpl.delTemplate", "/wxaapi/newtmpl/deltemplate").spelled("priTmplId"),
	get("officialAccount.newtmpl.getCategory", "/wxaapi/newtmpl/getcategory"),
	get("officialAccount.newtmpl.getPubTemplateKeywords", "/wxaapi/newtmpl/getpubtemplatekeywords"),
	get("officialAccount.newtmpl.getPubTemplateTitles", "/wxaapi/newtmpl/getpubtemplatetitles"),
	get("officialAccount.newtmpl.getTemplate", "/wxaapi/newtmpl/gettemplate"),

	post("operation.getDomainInfo", "/wxa/getwxadevinfo"),
	get("operation.getFeedback", "/wxaapi/feedback/list"),
	get("operation.getFeedbackmedia", "/cgi-bin/media/getfeedbackmedia").picture(),
	get("operation.getGrayReleasePlan", "/wxa/getgrayreleaseplan"),
	post("operation.getJsErrDetail", "/wxaapi/log/jserr_detail").spelled("appVersion", "clientVersion", "endTime", "errorMsgMd5", "errorStackMd5", "osName", "sdkVersion", "startTime"),
	post("operation.getJsErrList", "/wxaapi/log/jserr_list").spelled("appVersion", "endTime", "errType", "startTime"),
	post("operation.getPerformance", "/wxaapi/log/get_performance"),
	get("operation.getSceneList", "/wxaapi/log/get_scene"),
	get("operation.getVersionList", "/wxaapi/log/get_client_version"),
	// The document lists the arguments of this GET as a body; they belong in the query.
	get("operation.realtimelogSearch", "/wxaapi/userlog/userlog_search").spelled("filterMsg", "traceId"),
	post("operation.getJsErrSearch", "/wxaapi/log/jserr_search"),

	post("phonenumber.getPhoneNumber", "/wxa/business/getuserphonenumber"),

	// One path for several names: the argument action, which comes from the function, tells them apart.
	post("pluginManager.getPluginList", "/wxa/plugin"),
	post("pluginManager.setDevPluginApplyStatus", "/wxa/devplugin"),
	post("pluginManager.applyPlugin", "/wxa/plugin"),
	post("pluginManager.getPluginDevApplyList", "/wxa/devplugin"),
	post("pluginManager.unbindPlugin", "/wxa/plugin"),

	post("redpacketcover.getAuthenticationUrl", "/redpacketcover/wxapp/cover_url/get_by_token"),

	post("riskControl.getUserRiskRank", "/wxa/getuserriskrank"),

	post("search.submitPages", "/wxa/search/wxaapi_submitpages"),
	// The pages of these three are gone. Whether they were callable from the cloud is not known; WeChat says so if not.
	upload("search.imageSearch", "/wxa/imagesearch", "img"),
	post("search.siteSearch", "/wxa/sitesearch"),

	post("security.mediaCheckAsync", "/wxa/media_check_async"),
	post("security.msgSecCheck", "/wxa/msg_sec_check"),
	// Frozen since 2021: WeChat recommends security.mediaCheckAsync.
	upload("security.imgSecCheck", "/wxa/img_sec_check", "media"),

	post("serviceMarket.invokeService", "/wxa/servicemarket"),

	post("shortlink.generate", "/wxa/genwxashortlink"),

	post("soter.verifySignature", "/cgi-bin/soter/verify_signature"),

	post("subscribeMessage.send", "/cgi-bin/message/subscribe/send"),
	// Sources disagree: a page of 2024 wants a form and says that JSON is not supported; the current page and two libraries send
	// JSON, and so does this table.
	post("subscribeMessage.addTemplate", "/wxaapi/newtmpl/addtemplate").spelled("kidList", "sceneDesc"),
	post("subscribeMessage.deleteTemplate", "/wxaapi/newtmpl/deltemplate").spelled("priTmplId"),
	get("subscribeMessage.getCategory", "/wxaapi/newtmpl/getcategory"),
	get("subscribeMessage.getPubTemplateTitleList", "/wxaapi/newtmpl/getpubtemplatetitles"),
	get("subscribeMessage.getPubTemplateKeyWordsById", "/wxaapi/newtmpl/getpubtemplatekeywords"),
	get("subscribeMessage.getTemplateList", "/wxaapi/newtmpl/gettemplate"),
	// For service accounts; another page calls it officialAccount.subscribe.bizSend.
	post("subscribeMessage.bizsend", "/cgi-bin/message/subscribe/bizsend"),

	get("updatableMessage.createActivityId", "/cgi-bin/message/wxopen/activityid/create"),
	post("updatableMessage.setUpdatableMsg", "/cgi-bin/message/wxopen/updatablemsg/send"),

	post("urllink.generate", "/wxa/generate_urllink"),
	post("urllink.query", "/wxa/query_urllink"),

	post("urlscheme.generate", "/wxa/generatescheme"),
	post("urlscheme.generateNFCScheme", "/wxa/generatenfcscheme"),
	post("urlscheme.query", "/wxa/queryscheme"),

	post("wxa.sec.order.getOrder", "/wxa/sec/order/get_order"),
	post("wxa.sec.order.getOrderList", "/wxa/sec/order/get_order_list"),
	post("wxa.sec.order.isTradeManaged", "/wxa/sec/order/is_trade_managed"),
	post("wxa.sec.order.notifyConfirmReceive", "/wxa/sec/order/notify_confirm_receive"),
	post("wxa.sec.order.setMsgJumpPath", "/wxa/sec/order/set_msg_jump_path"),
	post("wxa.sec.order.uploadCombinedShippingInfo", "/wxa/sec/order/upload_combined_shipping_info"),
	post("wxa.sec.order.uploadShippingInfo", "/wxa/sec/order/upload_shipping_info"),

	post("wxacode.createQRCode", "/cgi-bin/wxaapp/createwxaqrcode").picture(),
	post("wxacode.get", "/wxa/getwxacode").picture(),
	post("wxacode.getUnlimited", "/wxa/getwxacodeunlimit").picture(),

	// The verbs of the last three are inferred from their names.
	post("ad.addUserAction", "/marketing/user_actions/add"),
	post("ad.addUserActionSet", "/marketing/user_action_sets/add"),
	get("ad.getUserActionSets", "/marketing/user_action_sets/get"),
	get("ad.getUserActionSetReports", "/marketing/user_action_set_reports/get"),

	// For mini games. The SDK has computed the signature over this path.
	post("midas.getBalance", "/cgi-bin/midas/getbalance"),
	post("midas.getBalanceSandbox", "/cgi-bin/midas/sandbox/getbalance"),
	post("midas.pay", "/cgi-bin/midas/pay"),
	post("midas.paySandbox", "/cgi-bin/midas/sandbox/pay"),
	post("midas.cancelPay", "/cgi-bin/midas/cancelpay"),
	post("midas.cancelPaySandbox", "/cgi-bin/midas/sandbox/cancelpay"),
	post("midas.present", "/cgi-bin/midas/present"),
	post("midas.presentSandbox", "/cgi-bin/midas/sandbox/present"),
}
