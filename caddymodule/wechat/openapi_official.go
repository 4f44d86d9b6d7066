package wechat

// officialAccountAPIs are those that functions call for an official account: cloud.openapi({appid})[<name>].
//
// Source: the list in WeChat's guide to sharing an environment with official accounts, which has names and paths; the verbs are those
// of public libraries. Whether each still works was not checked.
var officialAccountAPIs = []OpenAPI{
	get("officialAccount.user.getList", "/cgi-bin/user/get"),
	post("officialAccount.user.updateRemark", "/cgi-bin/user/info/updateremark"),
	get("officialAccount.user.getInfo", "/cgi-bin/user/info"),
	post("officialAccount.user.batchGetInfo", "/cgi-bin/user/info/batchget"),
	post("officialAccount.user.getBlacklist", "/cgi-bin/tags/members/getblacklist"),

	post("officialAccount.tags.create", "/cgi-bin/tags/create"),
	get("officialAccount.tags.get", "/cgi-bin/tags/get"),
	post("officialAccount.tags.update", "/cgi-bin/tags/update"),
	// WeChat's list repeats the path of create here, an evident slip.
	post("officialAccount.tags.delete", "/cgi-bin/tags/delete"),
	post("officialAccount.tags.getUsers", "/cgi-bin/user/tag/get"),
	post("officialAccount.tags.batchTagging", "/cgi-bin/tags/members/batchtagging"),
	// WeChat's list has /cgi-bin/members/batchuntagging, which no other source knows.
	post("officialAccount.tags.batchUntagging", "/cgi-bin/tags/members/batchuntagging"),
	post("officialAccount.tags.getUserTagList", "/cgi-bin/tags/getidlist"),
	post("officialAccount.tags.batchUnblacklist", "/cgi-bin/tags/members/batchunblacklist"),

	get("officialAccount.media.getFromJSSDK", "/cgi-bin/media/get/jssdk").media(),
	upload("officialAccount.media.uploadImg", "/cgi-bin/media/uploadimg", "media"),

	post("officialAccount.material.addNews", "/cgi-bin/material/add_news"),
	// The description of a video is a field of the form; all else is in the query.
	upload("officialAccount.material.addMaterial", "/cgi-bin/material/add_material", "media").formFields("description"),
	post("officialAccount.material.get", "/cgi-bin/material/get_material").media(),
	// The spelling is WeChat's.
	post("officialAccount.material.delelete", "/cgi-bin/material/del_material"),
	post("officialAccount.material.updateNews", "/cgi-bin/material/update_news"),
	get("officialAccount.material.getMaterialCount", "/cgi-bin/material/get_materialcount"),
	post("officialAccount.material.batchGetMaterial", "/cgi-bin/material/batchget_material"),

	post("officialAccount.comment.open", "/cgi-bin/comment/open"),
	post("officialAccount.comment.close", "/cgi-bin/comment/close"),
	post("officialAccount.comment.list", "/cgi-bin/comment/list"),
	post("officialAccount.comment.markElect", "/cgi-bin/comment/markelect"),
	post("officialAccount.comment.unmarkElect", "/cgi-bin/comment/unmarkelect"),
	post("officialAccount.comment.delete", "/cgi-bin/comment/delete"),
	post("officialAccount.comment.reply", "/cgi-bin/comment/reply/add"),
	post("officialAccount.comment.deleteReply", "/cgi-bin/comment/reply/delete"),

	post("officialAccount.qrcode.create", "/cgi-bin/qrcode/create"),

	post("officialAccount.shorturl", "/cgi-bin/shorturl"),
	post("officialAccount.addPayGiftCard", "/card/paygiftcard/add"),
	post("officialAccount.deletePayGiftCard", "/card/paygiftcard/delete"),

	post("officialAccount.datacube.getUserSummary", "/datacube/getusersummary"),
	post("officialAccount.datacube.getUserCumulate", "/datacube/getusercumulate"),
	post("officialAccount.datacube.getArticleSummary", "/datacube/getarticlesummary"),
	post("officialAccount.datacube.getArticleTotal", "/datacube/getarticletotal"),
	post("officialAccount.datacube.getUserRead", "/datacube/getuserread"),
	post("officialAccount.datacube.getUserReadHour", "/datacube/getuserreadhour"),
	post("officialAccount.datacube.getUserShare", "/datacube/getusershare"),
	post("officialAccount.datacube.getUserShareHour", "/datacube/getusersharehour"),
	post("officialAccount.datacube.getUpstreamMsg", "/datacube/getupstreammsg"),
	post("officialAccount.datacube.getUpstreamMsgHour", "/datacube/getupstreammsghour"),
	post("officialAccount.datacube.getUpstreamMsgWeek", "/datacube/getupstreammsgweek"),
	post("officialAccount.datacube.getUpstreamMsgMonth", "/datacube/getupstreammsgmonth"),
	post("officialAccount.datacube.getUpstreamMsgDist", "/datacube/getupstreammsgdist"),
	post("officialAccount.datacube.getUpstreamMsgDistWeek", "/datacube/getupstreammsgdistweek"),
	post("officialAccount.datacube.getUpstreamMsgDistMonth", "/datacube/getupstreammsgdistmonth"),
	post("officialAccount.datacube.getInterfaceSummary", "/datacube/getinterfacesummary"),
	post("officialAccount.datacube.getInterfaceSummaryHour", "/datacube/getinterfacesummaryhour"),
	post("officialAccount.datacube.getCardBizInfo", "/datacube/getcardbizuininfo"),
	post("officialAccount.datacube.getFreeCardInfo", "/datacube/getcardcardinfo"),
	post("officialAccount.datacube.getMemberCardInfo", "/datacube/getcardmembercardinfo"),
	post("officialAccount.datacube.getMemberCardDetail", "/datacube/getcardmembercarddetail"),

	get("officialAccount.publisher.stat", "/publisher/stat"),

	post("officialAccount.card.create", "/card/create"),
	post("officialAccount.card.setPayCell", "/card/paycell/set"),
	post("officialAccount.card.setSelfConsumeCell", "/card/selfconsumecell/set"),
	post("officialAccount.card.createQRCode", "/card/qrcode/create"),
	post("officialAccount.card.createLandingPage", "/card/landingpage/create"),
	// The verb of this one and the next is not documented.
	post("officialAccount.card.depositCode", "/card/code/deposit"),
	post("officialAccount.card.getDepositCodeCount", "/card/code/getdepositcount"),
	post("officialAccount.card.getNewsHTML", "/card/mpnews/gethtml"),
	post("officialAccount.card.setTestWhitelist", "/card/testwhitelist/set"),
	post("officialAccount.card.getCode", "/card/code/get"),
	post("officialAccount.card.consumeCode", "/card/code/consume"),
	post("officialAccount.card.decryptCode", "/card/code/decrypt"),
	post("officialAccount.card.getUserCardList", "/card/user/getcardlist"),
	post("officialAccount.card.get", "/card/get"),
	post("officialAccount.card.batchGet", "/card/batchget"),
	post("officialAccount.card.update", "/card/update"),
	post("officialAccount.card.modifyStock", "/card/modifystock"),
	post("officialAccount.card.updateCode", "/card/code/update"),
	post("officialAccount.card.invalidateCode", "/card/code/unavailable"),
	post("officialAccount.card.addGiftCard", "/card/giftcard/page/add"),
	post("officialAccount.card.getGiftCard", "/card/giftcard/page/get"),
	post("officialAccount.card.updateGiftCard", "/card/giftcard/page/update"),
	post("officialAccount.card.batchGetGiftCard", "/card/giftcard/page/batchget"),
	post("officialAccount.card.maintainGiftCard", "/card/giftcard/maintain/set"),
	post("officialAccount.card.addGiftCardPayWhitelist", "/card/giftcard/pay/whitelist/add"),
	post("officialAccount.card.bindSubMchGiftCardPay", "/card/giftcard/pay/submch/bind"),
	post("officialAccount.card.setWXAGiftCard", "/card/giftcard/wxa/set"),
	post("officialAccount.card.getGiftCardOrder", "/card/giftcard/order/get"),
	post("officialAccount.card.batchGetGiftCardOrder", "/card/giftcard/order/batchget"),
	post("officialAccount.card.updateUserCard", "/card/generalcard/updateuser"),
	post("officialAccount.card.refundGiftCardOrder", "/card/giftcard/order/refund"),
	post("officialAccount.card.invoiceInfo", "/card/invoice/setbizattr"),
	post("officialAccount.card.getInvoiceAuthData", "/card/invoice/getauthdata"),
	post("officialAccount.card.activateMemberCard", "/card/membercard/activate"),
	post("officialAccount.card.setMemberCardActivateUserForm", "/card/membercard/activateuserform/set"),
	post("officialAccount.card.getMemberCardUserInfo", "/card/membercard/userinfo/get"),
	post("officialAccount.card.getMemberCardActivateTempInfo", "/card/membercard/activatetempinfo/get"),
	post("officialAccount.card.updateMemberCardUserInfo", "/card/membercard/updateuser"),
	// The capital letter is WeChat's.
	post("officialAccount.card.GetPayGiftCardById", "/card/paygiftcard/getbyid"),
	post("officialAccount.card.batchGetPayGiftCard", "/card/paygiftcard/batchget"),
	post("officialAccount.card.updateMeetingTicket", "/card/meetingticket/updateuser"),
	post("officialAccount.card.updateMovieTicket", "/card/movieticket/updateuser"),
	post("officialAccount.card.submitSubmerchant", "/card/submerchant/submit"),
	post("officialAccount.card.getApplyProtocol", "/card/getapplyprotocol"),
	post("officialAccount.card.updateSubmerchant", "/card/submerchant/update"),
	post("officialAccount.card.getSubmerchant", "/card/submerchant/get"),
	post("officialAccount.card.batchGetSubmerchant", "/card/submerchant/batchget"),

	post("officialAccount.card.update.updateBoardingPass", "/card/boardingpass/checkin"),

	post("officialAccount.poi.add", "/cgi-bin/poi/addpoi"),
	post("officialAccount.poi.get", "/cgi-bin/poi/getpoi"),
	post("officialAccount.poi.getList", "/cgi-bin/poi/getpoilist"),
	// WeChat's list has /poi/updatepoi.
	post("officialAccount.poi.update", "/cgi-bin/poi/updatepoi"),
	post("officialAccount.poi.delete", "/cgi-bin/poi/delpoi"),
	post("officialAccount.poi.getWXCategory", "/cgi-bin/poi/getwxcategory"),

	get("officialAccount.mpStore.getCategory", "/wxa/get_merchant_category"),
	post("officialAccount.mpStore.apply", "/wxa/apply_merchant"),
	get("officialAccount.mpStore.getAuditInfo", "/wxa/get_merchant_audit_info"),
	post("officialAccount.mpStore.modify", "/wxa/modify_merchant"),
	post("officialAccount.mpStore.addStore", "/wxa/add_store"),
	post("officialAccount.mpStore.updateStore", "/wxa/update_store"),
	post("officialAccount.mpStore.getStoreInfo", "/wxa/get_store_info"),
	post("officialAccount.mpStore.getStoreList", "/wxa/get_store_list"),
	post("officialAccount.mpStore.deleteStore", "/wxa/del_store"),
	post("officialAccount.mpStore.getCard", "/card/storewxa/get"),
	// The verb is not documented.
	post("officialAccount.mpStore.setCard", "/card/storewxa/set"),

	get("officialAccount.map.getDistrict", "/wxa/get_district"),
	post("officialAccount.map.searchPoi", "/wxa/search_map_poi"),
	post("officialAccount.map.createPoi", "/wxa/create_map_poi"),

	post("officialAccount.semantic.search", "/semantic/semproxy/search"),

	// The field's name is not documented.
	upload("officialAccount.voice.uploadVoiceForText", "/cgi-bin/media/voice/addvoicetorecofortext", "media"),
	post("officialAccount.voice.queryVoiceTextResult", "/cgi-bin/media/voice/queryrecoresultfortext"),
	// The verb is not documented.
	post("officialAccount.voice.translateContent", "/voice/translatecontent"),

	get("officialAccount.customerService.getList", "/cgi-bin/customservice/getkflist"),
	get("officialAccount.customerService.getOnlineList", "/cgi-bin/customservice/getonlinekflist"),
	post("officialAccount.customerService.addKFAccount", "/customservice/kfaccount/add"),
	post("officialAccount.customerService.inviteWorker", "/customservice/kfaccount/inviteworker"),
	post("officialAccount.customerService.updateKFAccount", "/customservice/kfaccount/update"),
	// The field's name is not documented.
	upload("officialAccount.customerService.uploadHeadImg", "/customservice/kfaccount/uploadheadimg", "media"),
	post("officialAccount.customerService.deleteKFAccount", "/customservice/kfaccount/del"),
	post("officialAccount.customerService.createKFSession", "/customservice/kfsession/create"),
	// The verb is not documented.
	post("officialAccount.customerService.closeKFSession", "/customservice/kfsession/close"),
	get("officialAccount.customerService.getKFSession", "/customservice/kfsession/getsession"),
	get("officialAccount.customerService.getKFSessionList", "/customservice/kfsession/getsessionlist"),
	get("officialAccount.customerService.getKFSessionWaitCase", "/customservice/kfsession/getwaitcase"),
	post("officialAccount.customerService.getMsgList", "/customservice/msgrecord/getmsglist"),

	// The verb is not documented.
	post("officialAccount.subscribe.bizSend", "/cgi-bin/message/subscribe/bizsend"),

	post("officialAccount.message.sendall", "/cgi-bin/message/mass/sendall"),

	get("officialAccount.menu.get", "/cgi-bin/menu/get"),
	post("officialAccount.menu.create", "/cgi-bin/menu/create"),
	get("officialAccount.menu.delete", "/cgi-bin/menu/delete"),
	post("officialAccount.menu.addConditional", "/cgi-bin/menu/addconditional"),
	post("officialAccount.menu.delConditional", "/cgi-bin/menu/delconditional"),
	post("officialAccount.menu.tryMatch", "/cgi-bin/menu/trymatch"),
	get("officialAccount.menu.getSelfMenu", "/cgi-bin/get_current_selfmenu_info"),

	// The verbs of these two are not documented.
	post("officialAccount.shorten.gen", "/cgi-bin/shorten/gen"),
	post("officialAccount.shorten.fetch", "/cgi-bin/shorten/fetch"),
}
