/* Compiling the plans of plan.h. */
#include "plan.h"

static Action action_of(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_array_type:
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
    case DW_TAG_string_type:
    case DW_TAG_subroutine_type:
    case DW_TAG_ptr_to_member_type:
    case DW_TAG_set_type:
    case DW_TAG_subrange_type:
    case DW_TAG_generic_subrange:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type:
    case DW_TAG_shared_type:
    case DW_TAG_packed_type:
    case DW_TAG_file_type:
    case DW_TAG_thrown_type:
    case DW_TAG_unspecified_type:
    case DW_TAG_coarray_type:
    case DW_TAG_dynamic_type:
        return ACT_TYPE;
    case DW_TAG_member:
        return ACT_MEMBER;
    case DW_TAG_base_type:
    case DW_TAG_typedef:
    case DW_TAG_template_alias:
        return ACT_NAMED;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
        return ACT_CLASS;
    case DW_TAG_enumeration_type:
        return ACT_ENUM;
    case DW_TAG_namespace:
    case DW_TAG_module:
        return ACT_NAMESPACE;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
    case DW_TAG_common_block:
        return ACT_BLOCK;
    case DW_TAG_GNU_formal_parameter_pack:
        return ACT_PACK;
    case DW_TAG_subprogram:
        return ACT_FUNCTION;
    case DW_TAG_inlined_subroutine:
        return ACT_INLINED;
    case DW_TAG_formal_parameter:
        return ACT_PARAMETER;
    case DW_TAG_unspecified_parameters:
        return ACT_ELLIPSIS;
    case DW_TAG_variable:
        return ACT_VARIABLE;
    case DW_TAG_imported_unit:
        return ACT_IMPORT;
    default:
        return ACT_PASS;
    }
}

/* Slot + 1 of each attribute that is wanted of some DIE. */
static const uint8_t SLOT_OF[0x90] = {
    [DW_AT_sibling] = SLOT_SIBLING + 1,
    [DW_AT_name] = SLOT_NAME + 1,
    [DW_AT_linkage_name] = SLOT_LINKAGE + 1,
    [DW_AT_decl_file] = SLOT_FILE + 1,
    [DW_AT_decl_line] = SLOT_LINE + 1,
    [DW_AT_type] = SLOT_TYPE + 1,
    [DW_AT_abstract_origin] = SLOT_ORIGIN + 1,
    [DW_AT_extension] = SLOT_ORIGIN + 1,
    [DW_AT_specification] = SLOT_SPECIFICATION + 1,
    [DW_AT_low_pc] = SLOT_LOW + 1,
    [DW_AT_high_pc] = SLOT_HIGH + 1,
    [DW_AT_ranges] = SLOT_RANGES + 1,
    [DW_AT_entry_pc] = SLOT_ENTRY + 1,
    [DW_AT_inline] = SLOT_INLINE + 1,
    [DW_AT_location] = SLOT_LOCATION + 1,
    [DW_AT_byte_size] = SLOT_SIZE + 1,
    [DW_AT_signature] = SLOT_SIGNATURE + 1,
    [DW_AT_containing_type] = SLOT_CONTAINER + 1,
    [DW_AT_call_file] = SLOT_CALL_FILE + 1,
    [DW_AT_call_line] = SLOT_CALL_LINE + 1,
    [DW_AT_call_column] = SLOT_CALL_COLUMN + 1,
    [DW_AT_import] = SLOT_IMPORT + 1,
    [DW_AT_count] = SLOT_COUNT + 1,
    [DW_AT_lower_bound] = SLOT_LOWER + 1,
    [DW_AT_upper_bound] = SLOT_UPPER + 1,
    [DW_AT_string_length] = SLOT_STRING_LENGTH + 1,
    [DW_AT_const_value] = SLOT_CONST_VALUE + 1,
    [DW_AT_virtuality] = SLOT_VIRTUALITY + 1,
    [DW_AT_object_pointer] = SLOT_OBJECT_POINTER + 1,
    [DW_AT_external] = SLOT_FLAG + 1,
    [DW_AT_declaration] = SLOT_FLAG + 1 + 1,
    [DW_AT_artificial] = SLOT_FLAG + 2 + 1,
    [DW_AT_noreturn] = SLOT_FLAG + 3 + 1,
    [DW_AT_main_subprogram] = SLOT_FLAG + 4 + 1,
    [DW_AT_prototyped] = SLOT_FLAG + 5 + 1,
    [DW_AT_variable_parameter] = SLOT_FLAG + 6 + 1,
};

static Slot slot_of(uint16_t name)
{
    if (name < sizeof SLOT_OF)
        return SLOT_OF[name] ? SLOT_OF[name] - 1 : SLOT_NONE;
    if (name == DW_AT_MIPS_linkage_name)
        return SLOT_LINKAGE;
    if (name == DW_AT_GNU_vector)
        return SLOT_FLAG + 7;
    return SLOT_NONE;
}

enum { MOST_ATTRIBUTES = 4096 };

#define BIT(slot) (UINT64_C(1) << (slot))
#define COMMON (BIT(SLOT_SIBLING) | BIT(SLOT_NAME))
#define DECLARED \
    (COMMON | BIT(SLOT_LINKAGE) | BIT(SLOT_FILE) | BIT(SLOT_LINE) | BIT(SLOT_TYPE) | BIT(SLOT_ORIGIN) \
     | BIT(SLOT_SPECIFICATION))
#define TYPE (COMMON | BIT(SLOT_TYPE) | BIT(SLOT_SIZE) | BIT(SLOT_SIGNATURE) | BIT(SLOT_SPECIFICATION))

/* Slots below SLOT_FLAG that an action looks at. */
static const uint64_t WANTED[ACT_COUNT] = {
    [ACT_PASS] = BIT(SLOT_SIBLING),
    [ACT_TYPE] = TYPE | BIT(SLOT_CONTAINER) | BIT(SLOT_COUNT) | BIT(SLOT_LOWER) | BIT(SLOT_UPPER)
                 | BIT(SLOT_STRING_LENGTH),
    [ACT_MEMBER] = DECLARED,
    [ACT_NAMED] = TYPE,
    [ACT_CLASS] = TYPE,
    [ACT_ENUM] = TYPE,
    [ACT_NAMESPACE] = COMMON | BIT(SLOT_ORIGIN),
    [ACT_FUNCTION] = DECLARED | BIT(SLOT_LOW) | BIT(SLOT_HIGH) | BIT(SLOT_RANGES) | BIT(SLOT_ENTRY)
                     | BIT(SLOT_INLINE) | BIT(SLOT_VIRTUALITY) | BIT(SLOT_OBJECT_POINTER),
    [ACT_INLINED] = BIT(SLOT_SIBLING) | BIT(SLOT_ORIGIN) | BIT(SLOT_LOW) | BIT(SLOT_HIGH) | BIT(SLOT_RANGES)
                    | BIT(SLOT_CALL_FILE) | BIT(SLOT_CALL_LINE) | BIT(SLOT_CALL_COLUMN),
    [ACT_PARAMETER] = DECLARED | BIT(SLOT_CONST_VALUE),
    [ACT_VARIABLE] = DECLARED | BIT(SLOT_LOCATION) | BIT(SLOT_CONST_VALUE),
    [ACT_IMPORT] = BIT(SLOT_IMPORT),
};

static Op op_of(uint16_t form, int size)
{
    switch (form) {
    case DW_FORM_flag_present:
        return OP_ONE;
    case DW_FORM_implicit_const:
        return OP_CONSTANT;
    case DW_FORM_string:
        return OP_TEXT;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        return OP_BLOCK;
    case DW_FORM_block1:
        return OP_BLOCK1;
    case DW_FORM_block2:
        return OP_BLOCK2;
    case DW_FORM_block4:
        return OP_BLOCK4;
    case DW_FORM_sdata:
        return OP_SLEB;
    case DW_FORM_indirect:
        return OP_ANY;
    }
    switch (size) {
    case 1:
        return OP_U1;
    case 2:
        return OP_U2;
    case 3:
        return OP_U3;
    case 4:
        return OP_U4;
    case 8:
        return OP_U8;
    case -1:
        return OP_ULEB;
    default:
        return OP_ANY;
    }
}

typedef VEC(Step) Steps;

/* A way to pass a DIE while it is compiled. */
typedef struct {
    Steps steps;
    uint32_t tail;
    bool memory;
} Draft;

static void add_step(Draft *draft, Step step)
{
    step.skip = (uint16_t)draft->tail;
    draft->memory = vec_push(&draft->steps, step) && draft->memory;
    draft->tail = 0;
}

static void add_bytes(Draft *draft, int size)
{
    if (draft->tail + (uint32_t)size > UINT16_MAX)
        add_step(draft, (Step){0, OP_SKIP, SLOT_NONE, 0});
    draft->tail += (uint32_t)size;
}

static bool is_expression(uint16_t form)
{
    return form == DW_FORM_exprloc || form == DW_FORM_block || form == DW_FORM_block1 || form == DW_FORM_block2
           || form == DW_FORM_block4 || form == DW_FORM_indirect;
}

/* Sizes of forms as form_size() gives them, for those that fit. */
typedef struct {
    const AbbrevSlot *slot;
    int8_t known[DW_FORM_addrx4 + 1];
} Sizes;

static int size_of(const Sizes *sizes, uint16_t form)
{
    if (form < sizeof sizes->known)
        return sizes->known[form];
    return form_size(form, sizes->slot->version, sizes->slot->address_size, sizes->slot->offset_size);
}

static void draft_attribute(const AttrSpec *spec, const Sizes *sizes, Plan *plan, Draft *skip, Draft *full)
{
    int size = size_of(sizes, spec->form);
    Op op = op_of(spec->form, size);
    Step step = {0, op, SLOT_NONE, op == OP_CONSTANT ? spec->constant : spec->form};
    if (size >= 0)
        add_bytes(skip, size);
    else
        add_step(skip, step);
    Slot slot = slot_of(spec->name);
    if (slot < SLOT_FLAG && (!(WANTED[plan->action] >> slot & 1) || plan->present >> slot & 1))
        slot = SLOT_NONE;
    if (slot == SLOT_NONE && size >= 0) {
        add_bytes(full, size);
        return;
    }
    if (slot >= SLOT_FLAG && slot != SLOT_NONE && op == OP_ONE) {
        plan->flags |= (uint8_t)(1 << (slot - SLOT_FLAG));
        return;
    }
    if (slot < SLOT_FLAG)
        plan->present |= UINT32_C(1) << slot;
    if (slot == SLOT_LOCATION)
        plan->expression = is_expression(spec->form);
    step.slot = (uint8_t)slot;
    add_step(full, step);
}

/* Puts a draft's steps behind all others, and empties it. */
static bool keep(Draft *draft, Passage *passage, Steps *steps)
{
    *passage = (Passage){(uint32_t)steps->count, (uint16_t)draft->steps.count, (uint16_t)draft->tail};
    bool memory = draft->memory && vec_room(steps, draft->steps.count);
    for (size_t i = 0; memory && i < draft->steps.count; i++)
        steps->items[steps->count++] = draft->steps.items[i];
    draft->steps.count = 0;
    draft->tail = 0;
    return memory;
}

Plans *plans_make(const AbbrevTable *table, const AbbrevSlot *slot)
{
    size_t count = table->abbrevs.count;
    Plans *plans = count < SIZE_MAX / sizeof(Plan) / 2 ? calloc(1, sizeof *plans + count * sizeof(Plan)) : NULL;
    if (!plans)
        return NULL;
    Sizes sizes = {.slot = slot};
    for (uint16_t form = 0; form < sizeof sizes.known; form++)
        sizes.known[form] = (int8_t)form_size(form, slot->version, slot->address_size, slot->offset_size);
    Steps steps = {0};
    Draft skip = {.memory = true}, full = {.memory = true};
    bool memory = true, dense = true;
    for (size_t i = 0; memory && i < count; i++) {
        const Abbrev *abbrev = &table->abbrevs.items[i];
        dense = dense && abbrev->code == i + 1;
        Plan *plan = &plans->plans[i];
        plan->action = (uint8_t)action_of(abbrev->tag);
        plan->tag = abbrev->tag;
        plan->children = abbrev->children;
        if (abbrev->spec_count > MOST_ATTRIBUTES) {
            /* No compiler's; the unknown form ends the unit. */
            add_step(&skip, (Step){0, OP_ANY, SLOT_NONE, 0xffff});
            add_step(&full, (Step){0, OP_ANY, SLOT_NONE, 0xffff});
        }
        for (uint32_t a = 0; a < abbrev->spec_count && abbrev->spec_count <= MOST_ATTRIBUTES; a++)
            draft_attribute(&table->specs.items[abbrev->first_spec + a], &sizes, plan, &skip, &full);
        memory = keep(&skip, &plan->skip, &steps) && keep(&full, &plan->full, &steps);
    }
    vec_free(&skip.steps);
    vec_free(&full.steps);
    vec_trim(&steps);
    plans->steps = steps.items;
    plans->dense = dense ? count : 0;
    if (!memory) {
        plans_free(plans);
        return NULL;
    }
    return plans;
}

void plans_free(Plans *plans)
{
    if (plans)
        free(plans->steps);
    free(plans);
}
