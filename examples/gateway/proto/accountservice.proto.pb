
‡
accountservice.protoaccountservicekrpcext.proto"[
Session
	loginFlag (	R	loginFlag
userId (	RuserId
userName (	RuserName"C
	SignInReq
userName (	RuserName
password (	Rpassword"p
	SignInRes
retCode (RretCode
retMsg (	RretMsg1
session (2.accountservice.SessionRsession"

SignOutReq"q

SignOutRes
retCode (RretCode
retMsg (	RretMsg1
session (2.accountservice.SessionRsession";
MeReq
userId (	RuserId
userName (	RuserName"m
MeRes
retCode (RretCode
retMsg (	RretMsg
userId (	RuserId
userName (	RuserName2ﬂ
AccountServiceD
signIn.accountservice.SignInReq.accountservice.SignInRes"êµG
signOut.accountservice.SignOutReq.accountservice.SignOutRes"êµ8
me.accountservice.MeReq.accountservice.MeRes"êµàµebproto3