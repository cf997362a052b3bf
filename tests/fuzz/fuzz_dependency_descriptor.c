#include <stdint.h>

#include "sfu/wire/dependency_descriptor.h"
#include "sfu/wire/picture_numbers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Several elements of one stream, each behind its length: the structure lives from one to the next.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dependency_structure structure = {0};

	while (size > 0) {
		size_t length = data[0] < size ? data[0] : size - 1;
		struct dependency_descriptor descriptor;

		if (dependency_descriptor_decode((struct slice){data + 1, length}, &structure,
						 &descriptor) == 0 &&
		    (!structure.is_known || descriptor.frame.temporal_layer > TEMPORAL_LAYER_MAX ||
		     descriptor.frame.switch_to > TEMPORAL_LAYER_MAX ||
		     descriptor.frame.spatial_layer > SPATIAL_LAYER_MAX ||
		     structure.sizes.count > PICTURE_SIZES_MAX ||
		     structure.template_count > DEPENDENCY_TEMPLATES_MAX ||
		     structure.target_count > DEPENDENCY_TARGETS_MAX))
			__builtin_trap();
		data += 1 + length;
		size -= 1 + length;
	}
	return 0;
}
