/* keyframe_wish.h - the keyframes that one subscriber may make a publisher send.
 *
 * Each costs everybody who watches: it is many times as large as another picture, and takes the
 * place of better ones. So who asks is served at once a few times, as somebody on a bad network has
 * to be, and then each two seconds: it can neither have keyframes made without end nor use up what
 * the others may ask for (keyframe_gate.h). What is withheld is not forgotten. Thread: worker. */
#ifndef SFU_MODEL_KEYFRAME_WISH_H
#define SFU_MODEL_KEYFRAME_WISH_H

#include "sfu/model/allowance.h"

enum { KEYFRAME_WISHES_AT_ONCE = 5, KEYFRAME_WISH_EACH_US = 2000000 };

struct keyframe_wish {
	bool is_open;	  /* passed on, and no keyframe was sent since */
	bool is_withheld; /* until its time comes */
	struct allowance allowance;
};

/* It needs one. True: pass that on. To ask again for what has not come is free. */
static inline bool keyframe_wish_make(struct keyframe_wish *wish, uint64_t now_us)
{
	if (!wish->is_open) {
		wish->is_withheld = !allowance_is_left(
			&wish->allowance, now_us, KEYFRAME_WISHES_AT_ONCE, KEYFRAME_WISH_EACH_US);
		if (wish->is_withheld)
			return false;
		allowance_take(&wish->allowance, now_us, KEYFRAME_WISH_EACH_US);
		wish->is_open = true;
	}
	return true;
}

/* One is sent to it. */
static inline void keyframe_wish_on_keyframe(struct keyframe_wish *wish)
{
	wish->is_open = wish->is_withheld = false;
}

/* From here on it is another stream's that it wishes for, which costs anew. */
static inline void keyframe_wish_on_other_layer(struct keyframe_wish *wish)
{
	wish->is_open = false;
}

/* Now and then. True: what was withheld may be passed on now. */
static inline bool keyframe_wish_tick(struct keyframe_wish *wish, uint64_t now_us)
{
	return wish->is_withheld && keyframe_wish_make(wish, now_us);
}

#endif
